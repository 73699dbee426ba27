// CronSchedule: the times a cron expression means. Pure.
//
// Five fields, or six with the seconds first:
//
//   second  0-59            may be left out: 0
//   minute  0-59
//   hour    0-23
//   day     1-31            L: the last of the month
//   month   1-12            JAN-DEC
//   weekday 0-7             SUN-SAT; 0 and 7 are Sunday
//
// In each: * , a-b */n a-b/n a/n (from a to the end). `?` for the day or the weekday is `*`. Letters
// may be small. @yearly @annually @monthly @weekly @daily @midnight @hourly stand for whole
// expressions.
//
// As pm2 does, and unlike crontab(5), a day must match both fields where both are given.
//
// When the clocks change: a time that they skip is run once, in the instant of the skip; of a time
// that they show twice, the first. But a schedule for every hour ("*/15 * * * *") goes on by elapsed
// time: nothing is made up for, and the repeated hour has its runs too.
#pragma once

#include <bitset>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/policy/time_zone.h"

namespace pmx {

class CronSchedule {
 public:
  // Throws pmx::Error (invalid_spec) that names the field and what was expected there, also for
  // dates that never come, as 31 February.
  static CronSchedule parse(std::string_view expression);

  // As written.
  [[nodiscard]] const std::string& expression() const noexcept { return expression_; }
  // The first time after `after`. nullopt: none within 40 years, which takes a zone that skips
  // whole days.
  [[nodiscard]] std::optional<std::chrono::sys_seconds> next_after(std::chrono::sys_seconds after,
                                                                   const TimeZone& zone) const;

 private:
  // The first match at or after `from`, on a calendar without changes of the clocks.
  [[nodiscard]] std::optional<std::chrono::local_seconds> match_from(
      std::chrono::local_seconds from) const;
  [[nodiscard]] bool matches(const std::chrono::year_month_day& date) const;

  std::string expression_;
  std::bitset<60> seconds_, minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<8> weekdays_;  // 7 is taken to 0
  bool last_day_ = false;

  friend class CronParser;
};

}  // namespace pmx
