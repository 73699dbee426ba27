#include "cli/import/ini_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "common/base/error.h"

namespace pmx::cli {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t start = text.find_first_not_of(kBlank);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(kBlank) - start + 1);
}

std::string_view without_comment(std::string_view line) {
  for (std::size_t at = line.find(';'); at != std::string_view::npos; at = line.find(';', at + 1)) {
    if (at == 0 || kBlank.find(line[at - 1]) != std::string_view::npos) return line.substr(0, at);
  }
  return line;
}

}  // namespace

std::vector<IniSection> read_ini(std::string_view text, const std::string& file) {
  std::vector<IniSection> sections;
  std::string* last = nullptr;
  int number = 0;
  const auto refuse = [&](std::string_view what) {
    throw Error(ErrorCode::invalid_spec, fmt::format("{}:{}: {}", file, number, what));
  };
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (!line.empty() && line.front() == '#') continue;
    const bool goes_on = !line.empty() && kBlank.find(line.front()) != std::string_view::npos;
    const std::string_view content = trimmed(without_comment(line));
    if (content.empty()) {
      // A line of nothing ends a value; a comment does not.
      if (trimmed(line).empty()) last = nullptr;
      continue;
    }
    if (goes_on && last != nullptr) {
      *last += (last->empty() ? "" : "\n") + std::string(content);
      continue;
    }
    last = nullptr;
    if (content.front() == '[') {
      if (content.back() != ']') refuse("a section's name ends with ]");
      sections.push_back({std::string(trimmed(content.substr(1, content.size() - 2))), file, {}});
      continue;
    }
    const std::size_t equals = content.find_first_of("=:");
    if (equals == std::string_view::npos || equals == 0) refuse("expected key=value or [section]");
    if (sections.empty()) refuse("a value before the first [section]");
    std::string key(trimmed(content.substr(0, equals)));
    std::ranges::transform(key, key.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    last = &(sections.back().values[key] = std::string(trimmed(content.substr(equals + 1))));
  }
  return sections;
}

}  // namespace pmx::cli
