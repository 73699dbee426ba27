// CronSchedule: what expressions mean, also when the clocks change, and what is refused.
#include "daemon/policy/cron_schedule.h"

#include <doctest/doctest.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "common/base/error.h"
#include "tests/unit/tzif_bytes.h"

using namespace pmx;
using namespace std::chrono;
using namespace std::chrono_literals;
using test::berlin;
using test::utc;

namespace {

std::string text(std::optional<sys_seconds> instant) {
  if (!instant) return "never";
  const std::time_t seconds = system_clock::to_time_t(*instant);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(seconds));
}

// The next times, in UTC.
std::vector<std::string> times(std::string_view expression, sys_seconds after, int count,
                               const TimeZone& zone = {}) {
  const CronSchedule schedule = CronSchedule::parse(expression);
  std::vector<std::string> result;
  std::optional<sys_seconds> at = after;
  while (count-- > 0 && at) {
    at = schedule.next_after(*at, zone);
    result.push_back(text(at));
  }
  return result;
}
using Times = std::vector<std::string>;

std::string refusal(std::string_view expression) {
  try {
    CronSchedule::parse(expression);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_spec);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("five fields, and six with the seconds first") {
  const auto start = utc(2026, 1, 1, 0, 0);
  CHECK(times("*/15 * * * *", start, 3) ==
        Times{"2026-01-01T00:15:00", "2026-01-01T00:30:00", "2026-01-01T00:45:00"});
  CHECK(times("*/20 * * * * *", start, 3) ==
        Times{"2026-01-01T00:00:20", "2026-01-01T00:00:40", "2026-01-01T00:01:00"});
  CHECK(times("  30 4 * * *\t", start, 2) == Times{"2026-01-01T04:30:00", "2026-01-02T04:30:00"});
  CHECK(times("59 59 23 31 12 *", start, 2) == Times{"2026-12-31T23:59:59", "2027-12-31T23:59:59"});
}

TEST_CASE("a match is never the given time itself") {
  CHECK(times("0 0 * * *", utc(2026, 1, 1, 0, 0), 1) == Times{"2026-01-02T00:00:00"});
  CHECK(times("0 0 * * *", utc(2026, 1, 1, 0, 0) - 1s, 1) == Times{"2026-01-01T00:00:00"});
}

TEST_CASE("lists, ranges, steps and names") {
  const auto start = utc(2026, 1, 1, 0, 0);  // a Thursday
  CHECK(times("1,2-4,*/20 0 * * *", start, 6) ==
        Times{"2026-01-01T00:01:00", "2026-01-01T00:02:00", "2026-01-01T00:03:00",
              "2026-01-01T00:04:00", "2026-01-01T00:20:00", "2026-01-01T00:40:00"});
  CHECK(times("10-30/10 * * * *", start, 4) == Times{"2026-01-01T00:10:00", "2026-01-01T00:20:00",
                                                     "2026-01-01T00:30:00", "2026-01-01T01:10:00"});
  CHECK(times("5/25 * * * *", start, 4) == Times{"2026-01-01T00:05:00", "2026-01-01T00:30:00",
                                                 "2026-01-01T00:55:00", "2026-01-01T01:05:00"});
  CHECK(times("0 0 * * MON-fri", start, 3) ==
        Times{"2026-01-02T00:00:00", "2026-01-05T00:00:00", "2026-01-06T00:00:00"});
  CHECK(times("0 0 1 feb,NOV *", start, 3) ==
        Times{"2026-02-01T00:00:00", "2026-11-01T00:00:00", "2027-02-01T00:00:00"});
  CHECK(times("0 12 ? * ?", start, 2) == Times{"2026-01-01T12:00:00", "2026-01-02T12:00:00"});
}

TEST_CASE("Sunday is 0 and 7") {
  const auto start = utc(2026, 1, 1, 0, 0);
  const Times sundays{"2026-01-04T00:00:00", "2026-01-11T00:00:00"};
  CHECK(times("0 0 * * 0", start, 2) == sundays);
  CHECK(times("0 0 * * 7", start, 2) == sundays);
  CHECK(times("0 0 * * SUN", start, 2) == sundays);
  const Times weekend{"2026-01-02T00:00:00", "2026-01-03T00:00:00", "2026-01-04T00:00:00",
                      "2026-01-09T00:00:00"};
  CHECK(times("0 0 * * 5-7", start, 4) == weekend);
  CHECK(times("0 0 * * FRI-SUN", start, 4) == weekend);
  // Sunday, Wednesday, Saturday; not Sunday again as the 7th.
  CHECK(times("0 0 * * */3", start, 4) == Times{"2026-01-03T00:00:00", "2026-01-04T00:00:00",
                                                "2026-01-07T00:00:00", "2026-01-10T00:00:00"});
}

TEST_CASE("the last day of the month") {
  CHECK(times("0 0 L * *", utc(2028, 1, 1, 0, 0), 3) ==
        Times{"2028-01-31T00:00:00", "2028-02-29T00:00:00", "2028-03-31T00:00:00"});
  CHECK(times("0 0 15,L 2 *", utc(2027, 1, 1, 0, 0), 2) ==
        Times{"2027-02-15T00:00:00", "2027-02-28T00:00:00"});
}

TEST_CASE("day and weekday: both must match, as in pm2") {
  CHECK(times("0 0 1 * 1", utc(2026, 1, 1, 0, 0), 2) ==
        Times{"2026-06-01T00:00:00", "2027-02-01T00:00:00"});
}

TEST_CASE("rare dates are found") {
  CHECK(times("0 0 29 2 *", utc(2096, 3, 1, 0, 0), 1) == Times{"2104-02-29T00:00:00"});
  CHECK(times("0 0 29 2 1", utc(2072, 3, 1, 0, 0), 2) ==
        Times{"2112-02-29T00:00:00", "2140-02-29T00:00:00"});
}

TEST_CASE("macros") {
  const auto start = utc(2026, 1, 1, 0, 0);
  CHECK(times("@yearly", start, 1) == Times{"2027-01-01T00:00:00"});
  CHECK(times("@annually", start, 1) == Times{"2027-01-01T00:00:00"});
  CHECK(times("@monthly", start, 1) == Times{"2026-02-01T00:00:00"});
  CHECK(times("@weekly", start, 1) == Times{"2026-01-04T00:00:00"});
  CHECK(times("@Daily", start, 1) == Times{"2026-01-02T00:00:00"});
  CHECK(times("@midnight", start, 1) == Times{"2026-01-02T00:00:00"});
  CHECK(times("@hourly", start, 1) == Times{"2026-01-01T01:00:00"});
  CHECK(CronSchedule::parse("@daily").expression() == "@daily");
}

TEST_CASE("in a time zone") {
  CHECK(times("30 4 * * *", utc(2026, 3, 28, 0, 0), 3, berlin()) ==
        Times{"2026-03-28T03:30:00", "2026-03-29T02:30:00", "2026-03-30T02:30:00"});
}

TEST_CASE("a skipped time runs once, when the clocks jump") {
  // In Berlin 02:00 is 03:00 on 29 March 2026, at 01:00 UTC.
  CHECK(times("30 2 * * *", utc(2026, 3, 28, 0, 0), 3, berlin()) ==
        Times{"2026-03-28T01:30:00", "2026-03-29T01:00:00", "2026-03-30T00:30:00"});
  CHECK(times("*/20 2 * * *", utc(2026, 3, 28, 12, 0), 2, berlin()) ==
        Times{"2026-03-29T01:00:00", "2026-03-30T00:00:00"});
  CHECK(times("0 2-3 * * *", utc(2026, 3, 28, 12, 0), 2, berlin()) ==
        Times{"2026-03-29T01:00:00", "2026-03-30T00:00:00"});
}

TEST_CASE("a repeated time runs once") {
  // In Berlin 03:00 is 02:00 on 25 October 2026, at 01:00 UTC.
  CHECK(times("30 2 * * *", utc(2026, 10, 24, 12, 0), 2, berlin()) ==
        Times{"2026-10-25T00:30:00", "2026-10-26T01:30:00"});
  CHECK(times("*/30 2 * * *", utc(2026, 10, 24, 12, 0), 3, berlin()) ==
        Times{"2026-10-25T00:00:00", "2026-10-25T00:30:00", "2026-10-26T01:00:00"});
  CHECK(times("* * 2 * * *", utc(2026, 10, 25, 1, 30), 1, berlin()) ==
        Times{"2026-10-26T01:00:00"});
}

TEST_CASE("a schedule for every hour goes on by elapsed time") {
  CHECK(times("*/30 * * * *", utc(2026, 10, 24, 23, 40), 5, berlin()) ==
        Times{"2026-10-25T00:00:00", "2026-10-25T00:30:00", "2026-10-25T01:00:00",
              "2026-10-25T01:30:00", "2026-10-25T02:00:00"});
  CHECK(times("30 * * * *", utc(2026, 3, 29, 0, 0), 3, berlin()) ==
        Times{"2026-03-29T00:30:00", "2026-03-29T01:30:00", "2026-03-29T02:30:00"});
  CHECK(times("15 * 29 3 *", utc(2026, 3, 29, 20, 0), 3, berlin()) ==
        Times{"2026-03-29T20:15:00", "2026-03-29T21:15:00", "2027-03-28T22:15:00"});
}

TEST_CASE("the times of ten years only go forwards, each once") {
  for (const char* const expression : {"30 2 * * *", "*/10 * * * *", "0 */2 * * *"}) {
    const CronSchedule schedule = CronSchedule::parse(expression);
    sys_seconds at = utc(2026, 1, 1, 0, 0);
    const auto end = utc(expression[0] == '*' ? 2027 : 2036, 1, 1, 0, 0);
    int count = 0;
    while (at < end) {
      const auto next = schedule.next_after(at, berlin());
      REQUIRE(next.has_value());
      REQUIRE(*next > at);
      REQUIRE(*next - at <= 26h);
      at = *next;
      ++count;
    }
    if (expression == std::string_view("30 2 * * *")) CHECK(count == 3653);
  }
}

TEST_CASE("errors name the field and what was expected") {
  CHECK(refusal("61 * * * *") == "cron expression '61 * * * *': minute: expected 0-59, got '61'");
  CHECK(refusal("* 24 * * *") == "cron expression '* 24 * * *': hour: expected 0-23, got '24'");
  CHECK(refusal("0 0 0 * *") == "cron expression '0 0 0 * *': day: expected 1-31 or L, got '0'");
  CHECK(refusal("0 0 * JANUARY *") ==
        "cron expression '0 0 * JANUARY *': month: expected 1-12 or JAN-DEC, got 'JANUARY'");
  CHECK(refusal("0 0 * * 8") ==
        "cron expression '0 0 * * 8': weekday: expected 0-7 or SUN-SAT, got '8'");
  CHECK(refusal("? * * * *").find("minute: expected 0-59, got '?'") != std::string::npos);
  CHECK(refusal("0 22-2 * * *") ==
        "cron expression '0 22-2 * * *': hour: expected 0-23, got "
        "'22-2': the range runs backwards; write two, with a comma");
  CHECK(refusal("*/0 * * * *") ==
        "cron expression '*/0 * * * *': minute: expected 0-59, got '*/0': a step is 1-59");
  CHECK(refusal("*/99 * * * *").find("a step is 1-59") != std::string::npos);
  CHECK(refusal("* * * *") ==
        "cron expression '* * * *': expected 5 fields, or 6 with the seconds "
        "first, but got 4");
  CHECK(refusal("").find("but got 0") != std::string::npos);
  CHECK(refusal("0 0 * * * * *").find("but got 7") != std::string::npos);
  CHECK(refusal("@reboot").find("expected @yearly") != std::string::npos);
  for (const char* const wrong :
       {"1,,2 * * * *", "1- * * * *", "-1 * * * *", "1-2-3 * * * *", "*/ * * * *", "1/2/3 * * * *",
        "0 0 LW * *", "0 0 * * 5L", "0x1 * * * *", "99999999999 * * * *", "\xff * * * *"}) {
    CAPTURE(wrong);
    CHECK(refusal(wrong).find("expected") != std::string::npos);
  }
}

TEST_CASE("dates that never come are refused") {
  CHECK(refusal("0 0 31 2 *") ==
        "cron expression '0 0 31 2 *': day 31, month 2, weekday *: no such "
        "date ever comes");
  CHECK(refusal("0 0 31 4,6,9,11 *").find("no such date") != std::string::npos);
  CHECK(refusal("0 0 30-31 2 MON").find("no such date") != std::string::npos);
}
