#include "common/config/secrets.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace pmx {
namespace {

// Anywhere in a name, which is compared in capitals and without "-" and "_".
constexpr std::array<std::string_view, 12> kParts{
    "PASSWORD",   "PASSWD", "PASSPHRASE", "SECRET",        "TOKEN",      "CREDENTIAL",
    "PRIVATEKEY", "APIKEY", "ACCESSKEY",  "ENCRYPTIONKEY", "SIGNINGKEY", "CONNECTIONSTRING"};
// Only as a word of its own: AUTHOR and COMPASS are harmless.
constexpr std::array<std::string_view, 3> kWords{"AUTH", "PASS", "PWD"};
// The present and the former working directory, kept by every shell.
constexpr std::array<std::string_view, 2> kHarmless{"PWD", "OLDPWD"};

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_capital(char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; }

// "DB_AUTH" and "dbAuth" have the words DB and AUTH.
bool has_word(std::string_view name, std::string_view wanted) {
  std::string word;
  for (std::size_t at = 0; at <= name.size(); ++at) {
    const bool inside = at < name.size() && is_letter(name[at]);
    const bool hump = inside && at > 0 && is_capital(name[at]) && !is_capital(name[at - 1]);
    if (!inside || hump) {
      if (word == wanted) return true;
      word.clear();
    }
    if (inside)
      word.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(name[at]))));
  }
  return false;
}

}  // namespace

bool is_secret_name(std::string_view name) {
  if (std::find(kHarmless.begin(), kHarmless.end(), name) != kHarmless.end()) return false;
  std::string capitals;
  for (const char c : name) {
    if (c != '_' && c != '-') {
      capitals.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    }
  }
  const bool has_part = std::any_of(kParts.begin(), kParts.end(), [&](std::string_view part) {
    return capitals.find(part) != std::string::npos;
  });
  return has_part || std::any_of(kWords.begin(), kWords.end(),
                                 [&](std::string_view word) { return has_word(name, word); });
}

bool is_secret_value(std::string_view value) {
  constexpr std::string_view kScheme = "://";
  for (std::size_t at = value.find(kScheme); at != std::string_view::npos;
       at = value.find(kScheme, at + 1)) {
    const std::string_view rest = value.substr(at + kScheme.size());
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?# \t\n"));
    const std::size_t at_sign = authority.find_last_of('@');
    if (at_sign == std::string_view::npos) continue;
    const std::size_t colon = authority.substr(0, at_sign).find(':');
    if (colon != std::string_view::npos && colon + 1 < at_sign) return true;
  }
  return false;
}

}  // namespace pmx
