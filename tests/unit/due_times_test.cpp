// DueTimes: a schedule by a clock that jumps, sleeps and changes for the summer.
#include "daemon/policy/due_times.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/unit/tzif_bytes.h"

using namespace pmx;
using namespace std::chrono;
using namespace std::chrono_literals;
using test::berlin;
using test::utc;
using Kind = DueTimes::Answer::Kind;

namespace {

DueTimes hourly(sys_seconds now, CatchUp catch_up = CatchUp::none,
                std::optional<sys_seconds> settled = {}) {
  return {CronSchedule::parse("0 * * * *"), TimeZone(), catch_up, now, settled};
}

}  // namespace

TEST_CASE("nothing is due at registration") {
  DueTimes times = hourly(utc(2026, 1, 1, 12, 30));
  CHECK(times.at(utc(2026, 1, 1, 12, 30)).kind == Kind::nothing);
  CHECK(times.next() == utc(2026, 1, 1, 13, 0));
  CHECK(times.at(utc(2026, 1, 1, 12, 59)).kind == Kind::nothing);
}

TEST_CASE("a time is met once, also when it is noticed a little late") {
  DueTimes times = hourly(utc(2026, 1, 1, 12, 30));
  const DueTimes::Answer answer = times.at(utc(2026, 1, 1, 13, 0) + 40s);
  CHECK(answer.kind == Kind::met);
  CHECK(answer.time == utc(2026, 1, 1, 13, 0));
  CHECK(times.at(utc(2026, 1, 1, 13, 0) + 41s).kind == Kind::nothing);
  CHECK(times.next() == utc(2026, 1, 1, 14, 0));
}

TEST_CASE("a jump forwards: at most one is due, however many were passed") {
  DueTimes none = hourly(utc(2026, 1, 1, 12, 30));
  CHECK(none.at(utc(2026, 1, 5, 12, 30)).kind == Kind::missed);
  CHECK(none.next() == utc(2026, 1, 5, 13, 0));

  DueTimes one = hourly(utc(2026, 1, 1, 12, 30), CatchUp::one);
  const DueTimes::Answer answer = one.at(utc(2126, 1, 5, 12, 30));
  CHECK(answer.kind == Kind::make_up);
  CHECK(answer.time == utc(2026, 1, 1, 13, 0));
  CHECK(one.at(utc(2126, 1, 5, 12, 30)).kind == Kind::nothing);

  DueTimes onto = hourly(utc(2026, 1, 1, 12, 30), CatchUp::one);
  CHECK(onto.at(utc(2026, 1, 5, 12, 0)).kind == Kind::met);
  CHECK(onto.next() == utc(2026, 1, 5, 13, 0));

  DueTimes quick{CronSchedule::parse("* * * * * *"), TimeZone(), CatchUp::none,
                 utc(2026, 1, 1, 12, 30)};
  CHECK(quick.at(utc(2027, 1, 1, 0, 0)).kind == Kind::met);
  CHECK(quick.at(utc(2027, 1, 1, 0, 0)).kind == Kind::nothing);
}

TEST_CASE("a jump backwards: what was run is not run again") {
  DueTimes times = hourly(utc(2026, 1, 1, 12, 30));
  CHECK(times.at(utc(2026, 1, 1, 13, 0)).kind == Kind::met);
  for (auto now = utc(2026, 1, 1, 11, 30); now < utc(2026, 1, 1, 14, 0); now += 10min) {
    CHECK(times.at(now).kind == Kind::nothing);
  }
  CHECK(times.at(utc(2026, 1, 1, 14, 0)).kind == Kind::met);
}

TEST_CASE("a clock that was far ahead is believed once it is set right") {
  DueTimes times = hourly(utc(2037, 1, 1, 12, 30));
  CHECK(times.at(utc(2026, 1, 1, 12, 30)).kind == Kind::nothing);
  CHECK(times.next() == utc(2026, 1, 1, 13, 0));
}

TEST_CASE("a daemon that was away") {
  const auto settled = utc(2026, 1, 1, 12, 30);
  DueTimes quick = hourly(utc(2026, 1, 1, 13, 0) + 2s, CatchUp::none, settled);
  CHECK(quick.at(utc(2026, 1, 1, 13, 0) + 2s).kind == Kind::met);

  const auto now = utc(2026, 1, 3, 9, 30);
  DueTimes none = hourly(now, CatchUp::none, settled);
  CHECK(none.at(now).kind == Kind::missed);
  CHECK(none.at(now).kind == Kind::nothing);
  DueTimes one = hourly(now, CatchUp::one, settled);
  CHECK(one.at(now).kind == Kind::make_up);
  CHECK(one.at(now).kind == Kind::nothing);
  DueTimes nothing_missed = hourly(utc(2026, 1, 1, 12, 50), CatchUp::one, settled);
  CHECK(nothing_missed.at(utc(2026, 1, 1, 12, 50)).kind == Kind::nothing);
}

TEST_CASE("a day with each change of the clocks") {
  const auto day = [](std::string_view expression, sys_seconds from) {
    DueTimes times{CronSchedule::parse(expression), berlin(), CatchUp::none, from};
    std::vector<std::string> met;
    while (times.next() && *times.next() <= from + 24h) {
      const sys_seconds now = *times.next();
      if (times.at(now).kind == Kind::met) met.push_back(TimeZone().text(now).substr(0, 16));
    }
    return met;
  };
  using Times = std::vector<std::string>;
  CHECK(day("30 2 * * *", utc(2026, 3, 28, 12, 0)) == Times{"2026-03-29 01:00"});
  CHECK(day("30 2 * * *", utc(2026, 10, 24, 12, 0)) == Times{"2026-10-25 00:30"});
  CHECK(day("0 * * * *", utc(2026, 3, 28, 12, 0)).size() == 24);
  CHECK(day("0 * * * *", utc(2026, 10, 24, 12, 0)).size() == 24);
}

TEST_CASE("a clock that jumps at random: no time twice") {
  std::uint32_t random = 4711;
  const auto any = [&](std::uint32_t below) {
    random = random * 1664525U + 1013904223U;
    return (random >> 8U) % below;
  };
  DueTimes times{CronSchedule::parse("*/10 * * * *"), berlin(), CatchUp::one,
                 utc(2026, 3, 28, 0, 0)};
  sys_seconds now = utc(2026, 3, 28, 0, 0);
  sys_seconds last_met{};
  for (int i = 0; i < 20'000; ++i) {
    now += seconds{static_cast<int>(any(1200))};
    if (any(20) == 0) {
      now = std::max(now - seconds{static_cast<int>(any(3 * 3600))},
                     times.settled() - kClockCorrection);
    }
    if (any(50) == 0) now += seconds{static_cast<int>(any(3 * 86'400))};
    const DueTimes::Answer answer = times.at(now);
    if (answer.kind == Kind::nothing) continue;
    CHECK(answer.time > last_met);
    CHECK(answer.time <= now);
    last_met = answer.time;
    CHECK(times.at(now).kind == Kind::nothing);
  }
}

TEST_CASE("words") {
  for (const char* const word : {"skip", "queue", "replace"}) {
    CHECK(to_string(*overlap_from(word)) == word);
  }
  for (const char* const word : {"none", "one"}) CHECK(to_string(*catch_up_from(word)) == word);
  CHECK_FALSE(overlap_from("kill").has_value());
  CHECK_FALSE(catch_up_from("all").has_value());
}
