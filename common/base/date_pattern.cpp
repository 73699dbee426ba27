#include "common/base/date_pattern.h"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>

namespace pmx {
namespace {

std::string zone(const std::tm& parts, std::string_view colon) {
  const long minutes = std::labs(parts.tm_gmtoff) / 60;
  return fmt::format("{}{:02}{}{:02}", parts.tm_gmtoff < 0 ? '-' : '+', minutes / 60, colon,
                     minutes % 60);
}

}  // namespace

std::string format_date(std::string_view pattern, std::chrono::system_clock::time_point time) {
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(since_epoch / 1000);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  const int half_day_hour = parts.tm_hour % 12 == 0 ? 12 : parts.tm_hour % 12;

  std::string text;
  while (!pattern.empty()) {
    if (const auto end = pattern.find(']'); pattern[0] == '[' && end != std::string_view::npos) {
      text += pattern.substr(1, end - 1);
      pattern.remove_prefix(end + 1);
      continue;
    }
    const auto take = [&pattern](std::string_view token) {
      if (!pattern.starts_with(token)) return false;
      pattern.remove_prefix(token.size());
      return true;
    };
    // Longer tokens first.
    if (take("YYYY"))
      text += fmt::format("{:04}", parts.tm_year + 1900);
    else if (take("YY"))
      text += fmt::format("{:02}", parts.tm_year % 100);
    else if (take("MM"))
      text += fmt::format("{:02}", parts.tm_mon + 1);
    else if (take("M"))
      text += fmt::format("{}", parts.tm_mon + 1);
    else if (take("DD"))
      text += fmt::format("{:02}", parts.tm_mday);
    else if (take("D"))
      text += fmt::format("{}", parts.tm_mday);
    else if (take("HH"))
      text += fmt::format("{:02}", parts.tm_hour);
    else if (take("H"))
      text += fmt::format("{}", parts.tm_hour);
    else if (take("hh"))
      text += fmt::format("{:02}", half_day_hour);
    else if (take("h"))
      text += fmt::format("{}", half_day_hour);
    else if (take("mm"))
      text += fmt::format("{:02}", parts.tm_min);
    else if (take("m"))
      text += fmt::format("{}", parts.tm_min);
    else if (take("SSS"))
      text += fmt::format("{:03}", since_epoch % 1000);
    else if (take("ss"))
      text += fmt::format("{:02}", parts.tm_sec);
    else if (take("s"))
      text += fmt::format("{}", parts.tm_sec);
    else if (take("A"))
      text += parts.tm_hour < 12 ? "AM" : "PM";
    else if (take("a"))
      text += parts.tm_hour < 12 ? "am" : "pm";
    else if (take("ZZ"))
      text += zone(parts, "");
    else if (take("Z"))
      text += zone(parts, ":");
    else if (take("X"))
      text += fmt::format("{}", seconds);
    else if (take("x"))
      text += fmt::format("{}", since_epoch);
    else {
      text += pattern.front();
      pattern.remove_prefix(1);
    }
  }
  return text;
}

}  // namespace pmx
