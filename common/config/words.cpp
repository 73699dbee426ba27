#include "common/config/words.h"

#include <array>
#include <cctype>
#include <charconv>
#include <limits>

namespace pmx {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

struct Unit {
  char letter;
  std::int64_t milliseconds;
};
constexpr std::array kUnits{Unit{'s', 1000}, Unit{'m', 60 * 1000}, Unit{'h', 60 * 60 * 1000}};

}  // namespace

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (kBlanks.find(c) != std::string_view::npos) {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
      continue;
    }
    in_word = true;
    const bool quote = c == '"' || c == '\'';
    const std::size_t end = quote ? text.find(c, at + 1) : std::string_view::npos;
    if (end == std::string_view::npos) {
      word.push_back(c);
      continue;
    }
    word.append(text.substr(at + 1, end - at - 1));
    at = end;
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

std::optional<int> parse_integer(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Millis> parse_duration(std::string_view text) {
  std::int64_t unit = 1;
  const bool milliseconds_given = text.ends_with("ms");
  if (milliseconds_given) text.remove_suffix(2);
  for (const Unit& candidate : kUnits) {
    if (milliseconds_given || !text.ends_with(candidate.letter)) continue;
    unit = candidate.milliseconds;
    text.remove_suffix(1);
    break;
  }
  const std::optional<int> number = parse_integer(text);
  if (!number || *number < 0) return std::nullopt;
  const std::int64_t milliseconds = *number * unit;
  if (milliseconds > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
  return Millis{milliseconds};
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr double kLargest = 1e18;
  if (text.size() > 1 && (text.ends_with('B') || text.ends_with('b'))) text.remove_suffix(1);
  double unit = 1;
  if (!text.empty()) {
    const auto letter = static_cast<char>(std::toupper(static_cast<unsigned char>(text.back())));
    const std::size_t power = std::string_view("KMGT").find(letter);
    if (power != std::string_view::npos) {
      for (std::size_t i = 0; i <= power; ++i) unit *= 1024;
      text.remove_suffix(1);
    }
  }
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size() || !(number >= 0))
    return std::nullopt;
  if (number * unit > kLargest) return std::nullopt;
  return static_cast<std::uint64_t>(number * unit);
}

std::optional<std::vector<int>> parse_exit_codes(std::string_view text) {
  constexpr int kLastCode = 255;
  std::string blanks(text);
  for (char& c : blanks) {
    if (c == ',') c = ' ';
  }
  std::vector<int> codes;
  for (const std::string& word : split_words(blanks)) {
    const std::optional<int> code = parse_integer(word);
    if (!code || *code < 0 || *code > kLastCode) return std::nullopt;
    codes.push_back(*code);
  }
  return codes;
}

}  // namespace pmx
