// DueTimes and JobSchedule: a job's runs by a clock that jumps, sleeps and changes for the summer.
#include "daemon/policy/job_schedule.h"

#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <vector>

#include "daemon/policy/due_times.h"
#include "tests/unit/tzif_bytes.h"

using namespace pmx;
using namespace std::chrono;
using namespace std::chrono_literals;
using test::berlin;
using test::utc;
using Kind = DueTimes::Answer::Kind;
using Action = JobStep::Action;
using State = JobSchedule::State;

namespace {

DueTimes hourly(sys_seconds now, CatchUp catch_up = CatchUp::none,
                std::optional<sys_seconds> settled = {}) {
  return {CronSchedule::parse("0 * * * *"), TimeZone(), catch_up, now, settled};
}

// A caller whose clocks are ours. It asks at due times and timers as they come, and its runs take as
// long as told.
struct Machine {
  JobSchedule job;
  JobNow now;
  std::vector<std::string> log = {};
  std::vector<std::string> starts = {};  // wall times

  void note(const JobStep& step) {
    if (!step.reason.empty()) log.push_back(step.reason);
    if (step.action == Action::start) starts.push_back(TimeZone().text(now.wall).substr(0, 16));
  }
  JobStep ask() {
    JobStep step = job.on_time(now);
    note(step);
    return step;
  }
  JobStep end(int code) {
    JobStep step = job.on_end({ExitStatus::Kind::exited, code, false}, now);
    note(step);
    return step;
  }
  // Both clocks go on; runs end at once and well.
  void run_until(sys_seconds end_of_test) {
    while (job.due() && *job.due() <= end_of_test) {
      pass(std::max(*job.due() - now.wall, seconds{0}));
      if (ask().action == Action::start) end(0);
    }
    pass(end_of_test - now.wall);
  }
  void pass(seconds time) {
    now.wall += time;
    now.steady += time;
  }
};

Machine machine(JobSettings settings, sys_seconds start = utc(2026, 1, 1, 12, 30)) {
  return {JobSchedule(std::move(settings), hourly(start), {}), {start, TimePoint{} + 1000s}};
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
    Machine app{
        JobSchedule({}, {CronSchedule::parse(expression), berlin(), CatchUp::none, from}, {}),
        {from, TimePoint{} + 1s}};
    app.run_until(from + 24h);
    return app.starts;
  };
  using Starts = std::vector<std::string>;
  CHECK(day("30 2 * * *", utc(2026, 3, 28, 12, 0)) == Starts{"2026-03-29 01:00"});
  CHECK(day("30 2 * * *", utc(2026, 10, 24, 12, 0)) == Starts{"2026-10-25 00:30"});
  CHECK(day("0 * * * *", utc(2026, 3, 28, 12, 0)).size() == 24);
  CHECK(day("0 * * * *", utc(2026, 10, 24, 12, 0)).size() == 24);
}

TEST_CASE("a run that ends is not a crash, whatever its code") {
  Machine app = machine({});
  app.pass(30min);
  CHECK(app.ask().action == Action::start);
  CHECK(app.job.snapshot().state == State::running);
  CHECK(app.end(0).action == Action::none);
  CHECK(app.job.snapshot() == JobSchedule::Snapshot{});
  app.pass(1h);
  CHECK(app.ask().action == Action::start);
  CHECK(app.end(1).action == Action::none);
  CHECK(app.job.snapshot().state == State::idle);
  CHECK(app.job.due() == utc(2026, 1, 1, 15, 0));
  CHECK(app.log == std::vector<std::string>{
                       "run of 2026-01-01 13:00:00 +00:00", "exit code 0; done",
                       "run of 2026-01-01 14:00:00 +00:00", "exit code 1; failed after 1 try"});
}

TEST_CASE("overlap skip") {
  Machine app = machine({.overlap = Overlap::skip});
  app.pass(30min);
  app.ask();
  app.pass(1h);
  CHECK(app.ask().action == Action::none);
  CHECK(app.log.back() ==
        "run of 2026-01-01 14:00:00 +00:00 left out: the one before has not ended");
  CHECK(app.end(0).action == Action::none);
  app.pass(1h);
  CHECK(app.ask().action == Action::start);
}

TEST_CASE("overlap queue: one waits at most") {
  Machine app = machine({.overlap = Overlap::queue});
  app.pass(30min);
  app.ask();
  app.pass(1h);
  CHECK(app.ask().reason == "run of 2026-01-01 14:00:00 +00:00 waits for the one before to end");
  app.pass(1h);
  CHECK(app.ask().reason ==
        "run of 2026-01-01 15:00:00 +00:00 left out: another one waits already");
  CHECK(app.end(3).action == Action::start);
  CHECK(app.log.back() == "exit code 3; the next run follows");
  CHECK(app.end(0).action == Action::none);
  CHECK(app.job.snapshot().state == State::idle);
}

TEST_CASE("overlap replace: stop, then start") {
  Machine app = machine({.overlap = Overlap::replace, .retries = 3});
  app.pass(30min);
  app.ask();
  app.pass(1h);
  CHECK(app.ask().action == Action::stop);
  CHECK(app.log.back() == "stopped for the run of 2026-01-01 14:00:00 +00:00");
  app.pass(1h);
  CHECK(app.ask().action == Action::none);
  CHECK(app.job.on_end({ExitStatus::Kind::signalled, SIGINT, false}, app.now).action ==
        Action::start);
  CHECK(app.job.snapshot().failed == 0);
  CHECK(app.end(0).action == Action::none);
}

TEST_CASE("timeout: stopped, and failed however it ends") {
  Machine app = machine({.timeout = 5min, .retries = 1});
  app.pass(30min);
  app.ask();
  CHECK(app.job.timer() == app.now.steady + 5min);
  app.pass(5min - 1s);
  CHECK(app.ask().action == Action::none);
  app.pass(1s);
  CHECK(app.ask().action == Action::stop);
  CHECK(app.log.back() == "ran longer than 300000 ms (timeout)");
  CHECK(app.ask().action == Action::none);
  CHECK(app.end(0).action == Action::none);
  CHECK(app.job.snapshot().state == State::retrying);
  app.pass(1s);
  CHECK(app.ask().action == Action::start);
  CHECK(app.end(0).reason == "exit code 0; done");
}

TEST_CASE("a time and a timeout in the same moment") {
  Machine app = machine({.overlap = Overlap::skip, .timeout = 1h});
  app.pass(30min);
  app.ask();
  app.pass(1h);
  CHECK(app.ask().action == Action::stop);
}

TEST_CASE("retries") {
  Machine app = machine({.retries = 2, .retry_delay = 10s, .success_codes = {7}});
  app.pass(30min);
  app.ask();
  CHECK(app.end(1).reason == "exit code 1; try 2 of 3 in 10000 ms");
  CHECK(app.ask().action == Action::none);
  app.pass(10s);
  CHECK(app.ask().reason == "try 2 of 3");
  CHECK(app.job.on_start_failed("no such file", app.now).reason ==
        "could not be started: no such file; try 3 of 3 in 10000 ms");
  app.pass(10s);
  CHECK(app.ask().action == Action::start);

  SUBCASE("until one ends well") {
    CHECK(app.end(7).reason == "exit code 7; done");
    CHECK(app.job.snapshot().state == State::idle);
  }
  SUBCASE("until none is left; the next time begins anew") {
    CHECK(app.end(1).reason == "exit code 1; failed after 3 tries");
    CHECK_FALSE(app.job.timer().has_value());
    app.pass(1h);
    CHECK(app.ask().action == Action::start);
    CHECK(app.end(1).reason == "exit code 1; try 2 of 3 in 10000 ms");
  }
}

TEST_CASE("the next time takes the place of a retry") {
  Machine app = machine({.retries = 5, .retry_delay = 2h});
  app.pass(30min);
  app.ask();
  app.end(1);
  app.pass(1h);
  CHECK(app.ask().action == Action::start);
  CHECK(app.job.snapshot().failed == 0);
  CHECK_FALSE(app.job.timer().has_value());
}

TEST_CASE("the wall clock's jumps touch neither timeout nor retries") {
  Machine app = machine({.timeout = 5min});
  app.pass(30min);
  app.ask();
  app.now.wall += 24h * 365;
  CHECK(app.ask().action == Action::none);
  app.now.wall -= 24h * 400;
  CHECK(app.ask().action == Action::none);
  CHECK(app.job.snapshot().state == State::running);
}

TEST_CASE("the next daemon goes on in the middle of a run") {
  Machine app = machine({.overlap = Overlap::queue, .timeout = 5min});
  app.pass(30min);
  app.ask();
  JobSchedule next({.overlap = Overlap::queue, .timeout = 5min},
                   hourly(app.now.wall, CatchUp::none, app.job.settled()), app.job.snapshot());
  CHECK(next.on_time(app.now).action == Action::none);
  app.pass(5min);
  CHECK(next.on_time(app.now).action == Action::stop);
}

TEST_CASE("an end that nobody expects is ignored") {
  Machine app = machine({.retries = 5});
  CHECK(app.end(1).action == Action::none);
  CHECK(app.job.snapshot() == JobSchedule::Snapshot{});
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
