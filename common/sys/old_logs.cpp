#include "common/sys/old_logs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "common/base/date_pattern.h"

namespace pmx::sys {
namespace {

// A path as what stands before and behind the time.
struct Parts {
  std::string stem;
  std::string ending;
};

Parts parts_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  const std::size_t dot = path.rfind('.');
  const bool has_ending = dot != std::string::npos && dot > name;
  return {path.substr(0, has_ending ? dot : path.size()) + "__",
          has_ending ? path.substr(dot) : std::string()};
}

// Takes "2026-11-28_03-04-05" or "2026-11-28_03-04-05_001" from the front.
bool take_time(std::string_view& text) {
  constexpr std::string_view kTime = "dddd-dd-dd_dd-dd-dd";
  constexpr std::string_view kNumber = "_ddd";
  const auto take = [&text](std::string_view form) {
    if (text.size() < form.size()) return false;
    for (std::size_t i = 0; i < form.size(); ++i) {
      const bool is_digit = std::isdigit(static_cast<unsigned char>(text[i])) != 0;
      if (form[i] == 'd' ? !is_digit : text[i] != form[i]) return false;
    }
    text.remove_prefix(form.size());
    return true;
  };
  if (!take(kTime)) return false;
  take(kNumber);
  return true;
}

}  // namespace

std::string old_log_path(const std::string& path, std::chrono::system_clock::time_point time,
                         int number) {
  const Parts parts = parts_of(path);
  return fmt::format("{}{}{}{}", parts.stem, format_date("YYYY-MM-DD_HH-mm-ss", time),
                     number == 0 ? "" : fmt::format("_{:03}", number), parts.ending);
}

std::vector<std::string> old_logs_of(const std::string& path) {
  const Parts parts = parts_of(path);
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  std::vector<std::string> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = slash == std::string::npos
                                 ? entry->path().filename().string()
                                 : directory + entry->path().filename().string();
    std::string_view rest = name;
    if (!rest.starts_with(parts.stem)) continue;
    rest.remove_prefix(parts.stem.size());
    if (!take_time(rest) || !rest.starts_with(parts.ending)) continue;
    rest.remove_prefix(parts.ending.size());
    if (rest.empty() || rest == kCompressedEnding) found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  // Both forms are there for a moment, until the plain one is removed.
  const auto is_twice = [](const std::string& plain, const std::string& other) {
    return other == plain + std::string(kCompressedEnding);
  };
  found.erase(std::unique(found.begin(), found.end(), is_twice), found.end());
  return found;
}

}  // namespace pmx::sys
