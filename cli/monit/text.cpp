#include "cli/monit/text.h"

#include <algorithm>

#include "cli/render/text_width.h"

namespace pmx::cli::monit {
namespace {

constexpr std::size_t kTab = 8;

// Behind the escape sequence that begins at `at` (ECMA-48): CSI, or a string such as OSC, or two
// characters.
std::size_t end_of_escape(std::string_view line, std::size_t at) {
  std::size_t next = at + 1;
  if (next >= line.size()) return next;
  const char kind = line[next++];
  if (kind == '[') {
    while (next < line.size() && (line[next] < '@' || line[next] > '~')) ++next;
    return std::min(next + 1, line.size());
  }
  if (kind == ']' || kind == 'P' || kind == '_' || kind == '^' || kind == 'X') {
    while (next < line.size() && line[next] != '\a' && line[next] != '\x1b') ++next;
    if (next < line.size() && line[next] == '\x1b') ++next;  // ESC and the backslash end it
    return std::min(next + 1, line.size());
  }
  return next;
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

std::string plain_line(std::string_view line) {
  while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  std::string plain;
  for (std::size_t at = 0; at < line.size();) {
    if (line[at] == '\x1b') {
      at = end_of_escape(line, at);
    } else if (line[at] == '\t') {
      plain.append(kTab - display_width(plain) % kTab, ' ');
      ++at;
    } else {
      const std::size_t end = std::min(line.find_first_of("\x1b\t", at), line.size());
      plain += printable(line.substr(at, end - at));
      at = end;
    }
  }
  return plain;
}

std::string fitted(std::string_view text, int width, bool right) {
  const auto columns = static_cast<std::size_t>(std::max(width, 0));
  std::string cut = shorten(text, columns);
  const std::string fill(columns - std::min(columns, display_width(cut)), ' ');
  return right ? fill + cut : cut + fill;
}

std::vector<std::string_view> wrapped(std::string_view text, int width) {
  std::vector<std::string_view> rows;
  do {
    const std::size_t bytes = bytes_within(text, static_cast<std::size_t>(std::max(width, 1)));
    rows.push_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  } while (!text.empty());
  return rows;
}

}  // namespace pmx::cli::monit
