#include "cli/log_view/log_filter.h"

#include <fmt/format.h>
#include <regex.h>

#include <array>
#include <cctype>
#include <ctime>
#include <utility>

#include "common/base/date_parse.h"
#include "common/base/error.h"

namespace pmx {

// Not std::regex: that one uses the stack for each byte of a line.
struct LogFilter::Pattern {
  Pattern(const std::string& text, bool ignore_case, bool is_inverted) : invert(is_inverted) {
    const int error =
        ::regcomp(&compiled, text.c_str(), REG_EXTENDED | (ignore_case ? REG_ICASE : 0));
    if (error == 0) return;
    std::array<char, 200> why{};
    ::regerror(error, &compiled, why.data(), why.size());
    throw Error(ErrorCode::invalid_request, fmt::format("--grep {}: {}", text, why.data()),
                "a regular expression as for grep -E");
  }
  ~Pattern() { ::regfree(&compiled); }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  [[nodiscard]] bool matches(std::string_view line) const {
    regmatch_t range{0, static_cast<regoff_t>(line.size())};
    return ::regexec(&compiled, line.data(), 1, &range, REG_STARTEND) == 0;
  }

  regex_t compiled{};
  bool invert;
};

void LogFilter::set_pattern(const std::string& pattern, bool ignore_case, bool invert) {
  pattern_ = std::make_shared<const Pattern>(pattern, ignore_case, invert);
}

bool LogFilter::wants(const LogLine& line, bool unknown_is_wanted) const {
  if (looks_at_times()) {
    if (!line.time && !unknown_is_wanted) return false;
    if (line.time && since && *line.time < *since) return false;
    if (line.time && until && *line.time > *until) return false;
  }
  return !pattern_ || pattern_->matches(line.text) != pattern_->invert;
}

namespace {

std::optional<LogTime> ago(std::string_view text, LogTime now) {
  std::size_t digits = 0;
  long long count = 0;
  while (digits < text.size() && digits < 9 &&
         std::isdigit(static_cast<unsigned char>(text[digits])) != 0) {
    count = count * 10 + (text[digits++] - '0');
  }
  const std::string_view unit = text.substr(digits);
  if (digits == 0) return std::nullopt;
  for (const auto& [name, seconds] : {std::pair<std::string_view, long long>{"s", 1},
                                      {"m", 60},
                                      {"h", 3600},
                                      {"d", 86400},
                                      {"w", 604800}}) {
    if (unit == name) return now - std::chrono::seconds(count * seconds);
  }
  return std::nullopt;
}

}  // namespace

std::optional<LogTime> parse_log_time(std::string_view text, LogTime now) {
  if (const auto time = ago(text, now)) return time;
  if (const auto date = parse_iso_date(text)) {
    return date->length == text.size() ? std::optional(date->time) : std::nullopt;
  }
  const auto whole = [text](std::string_view pattern, std::string_view given) {
    const auto date = parse_date(pattern, given);
    return date && date->length == given.size() ? std::optional(date->time) : std::nullopt;
  };
  if (const auto day = whole("YYYY-MM-DD H", std::string(text) + " 0")) return day;
  // Of today, or of yesterday if that is still to come.
  for (const std::chrono::hours back : {std::chrono::hours(0), std::chrono::hours(24)}) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now - back);
    std::tm parts{};
    ::localtime_r(&seconds, &parts);
    const std::string given = fmt::format("{:04}-{:02}-{:02} {}", parts.tm_year + 1900,
                                          parts.tm_mon + 1, parts.tm_mday, text);
    for (const std::string_view pattern : {"YYYY-MM-DD H:mm", "YYYY-MM-DD H:mm:ss"}) {
      const auto time = whole(pattern, given);
      if (time && *time <= now) return time;
    }
  }
  return std::nullopt;
}

}  // namespace pmx
