// LogFilter: which lines of log files are wanted.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/log_view/log_line.h"

namespace pmx {

class LogFilter {
 public:
  std::optional<LogTime> since;
  std::optional<LogTime> until;

  // A regular expression as `grep -E` takes it. `invert`: lines without a match. Throws
  // Error(invalid_request) with what is wrong with it.
  void set_pattern(const std::string& pattern, bool ignore_case, bool invert);

  [[nodiscard]] bool looks_at_times() const noexcept { return since || until; }
  // Whether it may refuse any line.
  [[nodiscard]] bool is_active() const noexcept { return looks_at_times() || pattern_; }
  // `unknown_is_wanted`: what becomes of lines of which no time is known.
  [[nodiscard]] bool wants(const LogLine& line, bool unknown_is_wanted) const;

 private:
  struct Pattern;
  std::shared_ptr<const Pattern> pattern_;
};

// A time as people type it: "10m", "2h", "1d" ago, "2026-11-28", "2026-11-28T03:04:05" (also with a
// zone), "03:04" (the last time it was that, local time). Nullopt: none of these.
std::optional<LogTime> parse_log_time(std::string_view text, LogTime now);

}  // namespace pmx
