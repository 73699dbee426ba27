#include "cli/completion/bash_line.h"

#include <algorithm>

namespace pmx::cli {
namespace {

constexpr std::string_view kBlanks = " \t\n";
// A word of other characters than these needs no quotes.
constexpr std::string_view kPlain =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@^_";

bool is_one_of(std::string_view characters, char c) {
  return characters.find(c) != std::string_view::npos;
}

std::string in_double_quotes(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (is_one_of("\"\\$`", c)) quoted.push_back('\\');
    quoted.push_back(c);
  }
  return quoted;
}

std::string in_single_quotes(std::string_view text) {
  std::string quoted;
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted;
}

std::string without_quotes(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    const bool is_ascii = static_cast<unsigned char>(c) < 0x80;
    if (is_ascii && !is_one_of(kPlain, c)) quoted.push_back('\\');
    quoted.push_back(c);
  }
  return quoted;
}

}  // namespace

BashLine read_bash_line(std::string_view line, std::string_view breaks) {
  BashLine result;
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = '\0';
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == '\0' && is_one_of(kBlanks, c)) {
      if (in_word) words.push_back(word);
      word.clear();
      in_word = false;
      result.kept = 0;
      continue;
    }
    in_word = true;
    if (quote == c) {
      quote = '\0';
    } else if (quote == '\0' && (c == '"' || c == '\'')) {
      quote = c;
      result.kept = word.size();
    } else if (c == '\\' && quote != '\'' && i + 1 < line.size() &&
               (quote == '\0' || is_one_of("\"\\$`", line[i + 1]))) {
      word.push_back(line[++i]);
    } else {
      word.push_back(c);
      if (quote == '\0' && is_one_of(breaks, c)) result.kept = word.size();
    }
  }
  result.open_quote = quote;
  result.current = std::move(word);
  if (!words.empty()) words.erase(words.begin());
  result.before = std::move(words);
  return result;
}

std::string bash_reply(const BashLine& line, std::string_view word) {
  const std::string_view rest = word.substr(std::min(line.kept, word.size()));
  switch (line.open_quote) {
    case '"':
      return in_double_quotes(rest);
    case '\'':
      return in_single_quotes(rest);
    default:
      return without_quotes(rest);
  }
}

}  // namespace pmx::cli
