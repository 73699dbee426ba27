// RestartPolicy: counting unstable runs, giving up, delays and reasons.
#include "daemon/policy/restart_policy.h"

#include <doctest/doctest.h>

#include <csignal>
#include <set>
#include <string>

#include "daemon/policy/duration_text.h"

using namespace pmx;
using namespace std::chrono_literals;
using Action = RestartDecision::Action;

namespace {

ExitStatus code(int value) { return {ExitStatus::Kind::exited, value, false}; }
ExitStatus signalled(int number) { return {ExitStatus::Kind::signalled, number, false}; }

// Where the time does not matter.
constexpr TimePoint kNow = TimePoint{} + 1000s;
RestartDecision decide(const RestartSettings& settings, RestartHistory& history,
                       const ExitStatus& exit, Duration uptime) {
  return decide(settings, history, exit, uptime, kNow);
}
RestartDecision decide_after_spawn_failure(const RestartSettings& settings, RestartHistory& history,
                                           std::string_view text) {
  return decide_after_spawn_failure(settings, history, text, kNow);
}

// Restarts granted to an app whose every run ends like this, or -1 if it is never given up.
int restarts_until_give_up(const RestartSettings& settings, ExitStatus exit, Duration uptime) {
  RestartHistory history;
  for (int restarts = 0; restarts < 1000; ++restarts) {
    const RestartDecision decision = decide(settings, history, exit, uptime);
    if (decision.action == Action::give_up) return restarts;
    REQUIRE(decision.action == Action::restart);
  }
  return -1;
}

}  // namespace

TEST_CASE("settings come from the spec") {
  AppSpec spec;
  CHECK(RestartSettings::from(spec) == RestartSettings{});
  spec.autorestart = false;
  spec.max_restarts = 7;
  spec.min_uptime = 1ms;
  spec.restart_delay = 2ms;
  spec.exp_backoff_restart_delay = 3ms;
  spec.stop_exit_codes = {4, 5};
  CHECK(RestartSettings::from(spec) ==
        RestartSettings{RestartMode::never, 7, 1ms, 2ms, 3ms, {4, 5}});
  spec = {};
  spec.restart = RestartMode::on_failure;
  spec.success_exit_codes = {3};
  spec.max_backoff = 1min;
  spec.backoff_jitter = 25;
  spec.restart_limit = 4;
  spec.restart_window = 5min;
  spec.retry_after = 1h;
  RestartSettings expected;
  expected.mode = RestartMode::on_failure;
  expected.success_codes = {3};
  expected.max_backoff = 1min;
  expected.backoff_jitter = 0.25;
  expected.budget = {4, 5min};
  expected.retry_after = 1h;
  CHECK(RestartSettings::from(spec) == expected);
}

TEST_CASE("max_restarts counts starts: one restart less, then errored") {
  CHECK(restarts_until_give_up({}, code(1), 400ms) == 15);
  CHECK(restarts_until_give_up({.max_restarts = 3}, code(1), 400ms) == 2);
  CHECK(restarts_until_give_up({.max_restarts = 1}, code(1), 400ms) == 0);
  CHECK(restarts_until_give_up({.max_restarts = 0}, code(1), 400ms) == 0);
  CHECK(restarts_until_give_up({.max_restarts = 0}, code(0), 1h) == 0);
}

TEST_CASE("trap 5: a configured delay does not prevent giving up") {
  CHECK(restarts_until_give_up({.restart_delay = 100ms}, code(1), 400ms) == 15);
  CHECK(restarts_until_give_up({.exp_backoff_restart_delay = 100ms}, code(1), 400ms) == 15);
}

TEST_CASE("trap 6: slow crashes count too, healthy runs do not") {
  CHECK(restarts_until_give_up({}, code(1), 1s) == 15);
  CHECK(restarts_until_give_up({}, code(1), 29'999ms) == 15);
  CHECK(restarts_until_give_up({}, signalled(SIGSEGV), 10s) == 15);
  CHECK(restarts_until_give_up({}, ExitStatus{}, 10s) == 15);
  CHECK(restarts_until_give_up({}, code(1), 30s) == -1);
  CHECK(restarts_until_give_up({}, code(0), 999ms) == 15);
  CHECK(restarts_until_give_up({}, code(0), 1s) == -1);

  const RestartSettings patient{.min_uptime = 60s};
  CHECK(restarts_until_give_up(patient, code(0), 59s) == 15);
  CHECK(restarts_until_give_up(patient, code(1), 59s) == 15);
  CHECK(restarts_until_give_up(patient, code(1), 60s) == -1);
}

TEST_CASE("a run that is not unstable resets the count, only a long one the back-off") {
  const RestartSettings settings{.exp_backoff_restart_delay = 100ms};
  RestartHistory history;
  decide(settings, history, code(1), 0s);
  decide(settings, history, code(1), 0s);
  CHECK(history == RestartHistory{2, 150ms});

  decide(settings, history, code(0), 29s);
  CHECK(history == RestartHistory{0, 225ms});

  const RestartDecision decision = decide(settings, history, code(1), 30s);
  CHECK(history == RestartHistory{0, 100ms});
  CHECK(decision.delay == 100ms);
}

TEST_CASE("delays") {
  RestartHistory history;
  CHECK(decide({}, history, code(1), 0s).delay == 0ms);
  CHECK(decide({.restart_delay = 700ms}, history, code(1), 0s).delay == 700ms);

  SUBCASE("the back-off grows by half, rounded down, and overrides restart_delay") {
    const RestartSettings settings{
        .max_restarts = 100, .restart_delay = 7ms, .exp_backoff_restart_delay = 100ms};
    for (const int expected :
         {100, 150, 225, 337, 505, 757, 1135, 1702, 2553, 3829, 5743, 8614, 12921, 15000, 15000}) {
      CHECK(decide(settings, history, code(1), 0s).delay == Millis{expected});
    }
  }
  SUBCASE("a first step above the limit is kept") {
    const RestartSettings settings{.exp_backoff_restart_delay = 20s};
    CHECK(decide(settings, history, code(1), 0s).delay == 20s);
    CHECK(decide(settings, history, code(1), 0s).delay == 20s);
  }
}

TEST_CASE("staying stopped") {
  RestartHistory history;
  CHECK(decide({.mode = RestartMode::never}, history, code(1), 0s).action == Action::stay_stopped);
  CHECK(decide({.mode = RestartMode::never, .max_restarts = 0}, history, code(1), 0s).action ==
        Action::stay_stopped);

  const RestartSettings settings{.restart_delay = 100ms, .stop_exit_codes = {0, 3}};
  CHECK(decide(settings, history, code(0), 0s).action == Action::stay_stopped);
  CHECK(decide(settings, history, code(3), 1h).action == Action::stay_stopped);
  CHECK(decide(settings, history, code(1), 0s).action == Action::restart);
}

TEST_CASE("trap 7: signals and unknown ends never match stop_exit_codes") {
  RestartHistory history;
  const RestartSettings settings{.stop_exit_codes = {0, SIGKILL}};
  CHECK(decide(settings, history, signalled(SIGKILL), 0s).action == Action::restart);
  CHECK(decide(settings, history, ExitStatus{}, 0s).action == Action::restart);
}

TEST_CASE("a failed automatic start counts as an unstable run and is never repeated at once") {
  RestartHistory history{.unstable_restarts = 13};
  const RestartDecision decision = decide_after_spawn_failure({}, history, "exec: no such file");
  CHECK(decision.action == Action::restart);
  CHECK(decision.delay == 1s);
  CHECK(decision.reason == "could not be started: exec: no such file; restart 14 of 15 in 1000 ms");
  CHECK(decide_after_spawn_failure({.restart_delay = 3s}, history, "x").delay == 3s);
  CHECK(decide_after_spawn_failure({}, history, "x").action == Action::give_up);
}

TEST_CASE("reasons") {
  RestartHistory history{.unstable_restarts = 2, .backoff = 100ms};
  CHECK(decide({.exp_backoff_restart_delay = 100ms}, history, code(1), 400ms).reason ==
        "exit code 1 after 0.4 s; restart 3 of 15 in 150 ms (back-off)");
  CHECK(decide({}, history, signalled(SIGKILL), 2s).reason ==
        "signal SIGKILL after 2.0 s; restart 4 of 15 at once");
  CHECK(decide({.restart_delay = 50ms}, history, code(0), 5min).reason ==
        "exit code 0 after 5 min; restart in 50 ms");
  CHECK(decide({.max_restarts = 1}, history, code(1), 20ms).reason ==
        "exit code 1 after 20 ms; gave up after 1 unstable run (max_restarts 1)");
  CHECK(decide({.max_restarts = 2}, history, code(1), 20ms).reason ==
        "exit code 1 after 20 ms; gave up after 2 unstable runs in a row (max_restarts 2)");
  CHECK(decide({.mode = RestartMode::never}, history, code(1), 3h).reason ==
        "exit code 1 after 3 h; not restarted: autorestart is off");
  CHECK(decide({.stop_exit_codes = {3}}, history, code(3), 200s).reason ==
        "exit code 3 after 3 min; not restarted: the code is in stop_exit_codes");
}

TEST_CASE("which ends are followed by a restart") {
  const auto restarts = [](RestartMode mode, ExitStatus exit) {
    RestartHistory history;
    const RestartSettings settings{.mode = mode, .success_codes = {7}};
    return decide(settings, history, exit, 1h).action == Action::restart;
  };
  const auto row = [&](RestartMode mode) {
    std::string result;
    for (const ExitStatus& exit : {code(0), code(7), code(1), code(143), signalled(SIGKILL),
                                   signalled(SIGTERM), ExitStatus{}}) {
      result += restarts(mode, exit) ? 'r' : '-';
    }
    return result;
  };
  CHECK(row(RestartMode::always) == "rrrrrrr");
  CHECK(row(RestartMode::on_failure) == "--rrrrr");
  CHECK(row(RestartMode::on_abnormal) == "----rrr");
  CHECK(row(RestartMode::never) == "-------");

  RestartHistory history;
  CHECK(decide({.mode = RestartMode::on_failure}, history, code(0), 3h).reason ==
        "exit code 0 after 3 h; not restarted: restart is on-failure");
  CHECK(decide({.mode = RestartMode::on_abnormal}, history, code(1), 3h).reason ==
        "exit code 1 after 3 h; not restarted: restart is on-abnormal");
  const RestartSettings both{.mode = RestartMode::on_failure, .stop_exit_codes = {2}};
  CHECK(decide(both, history, code(2), 3h).action == Action::stay_stopped);
}

TEST_CASE("the words of the modes") {
  for (const char* const word : {"always", "on-failure", "on-abnormal", "never"}) {
    CHECK(to_string(*restart_mode_from(word)) == word);
  }
  CHECK_FALSE(restart_mode_from("unless-stopped").has_value());
}

TEST_CASE("a success code is no failure, but a run can still be too short") {
  const RestartSettings settings{.success_codes = {7}};
  CHECK(restarts_until_give_up(settings, code(7), 1s) == -1);
  CHECK(restarts_until_give_up(settings, code(7), 999ms) == 15);
  CHECK(restarts_until_give_up(settings, code(8), 1s) == 15);
}

TEST_CASE("the limits of the back-off can be set") {
  const RestartSettings settings{.max_restarts = 100,
                                 .exp_backoff_restart_delay = 100ms,
                                 .max_backoff = 200ms,
                                 .stable_uptime = 5s};
  RestartHistory history;
  for (const int expected : {100, 150, 200, 200}) {
    CHECK(decide(settings, history, code(1), 4s).delay == Millis{expected});
  }
  CHECK(history.unstable_restarts == 4);
  CHECK(decide(settings, history, code(1), 5s).delay == 100ms);
  CHECK(history.unstable_restarts == 0);
}

TEST_CASE("jitter shortens each delay by its share at most, and parts the instances") {
  std::set<Millis> fourth;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const RestartSettings settings{.max_restarts = 100,
                                   .exp_backoff_restart_delay = 1000ms,
                                   .backoff_jitter = 0.5,
                                   .jitter_seed = seed};
    RestartHistory history;
    for (const int step : {1000, 1500, 2250, 3375}) {
      RestartHistory again = history;
      const RestartDecision decision = decide(settings, history, code(1), 0s);
      CHECK(decision.delay <= Millis{step});
      CHECK(decision.delay >= Millis{step / 2});
      CHECK(decide(settings, again, code(1), 0s).delay == decision.delay);
      CHECK(history.backoff == Millis{step});
      if (step == 3375) fourth.insert(decision.delay);
    }
  }
  CHECK(fourth.size() > 80);
}

TEST_CASE("jitter goes on at the cap") {
  const RestartSettings settings{.max_restarts = 1000,
                                 .exp_backoff_restart_delay = 15s,
                                 .backoff_jitter = 1,
                                 .jitter_seed = 1};
  RestartHistory history;
  std::set<Millis> delays;
  for (int i = 0; i < 100; ++i) delays.insert(decide(settings, history, code(1), 0s).delay);
  CHECK(delays.size() > 90);
}

TEST_CASE("a budget counts every restart within its window") {
  const RestartSettings settings{.max_restarts = 100, .budget = {3, 60s}};
  RestartHistory history;
  const auto end_at = [&](Duration at) {
    return decide(settings, history, code(0), 1h, kNow + at);
  };
  CHECK(end_at(0s).action == Action::restart);
  CHECK(end_at(20s).action == Action::restart);
  CHECK(end_at(40s).action == Action::restart);
  SUBCASE("used up") {
    CHECK(end_at(59s).action == Action::give_up);
    CHECK(end_at(59s).reason ==
          "exit code 0 after 60 min; gave up after 3 restarts within 60 s (budget)");
  }
  SUBCASE("the window slides") {
    CHECK(end_at(60s).action == Action::restart);
    CHECK(end_at(61s).action == Action::give_up);
    CHECK(end_at(80s).action == Action::restart);
    CHECK(history.granted.size() == 3);
  }
  SUBCASE("a start that fails takes from it too") {
    CHECK(pmx::decide_after_spawn_failure(settings, history, "x", kNow + 50s).action ==
          Action::give_up);
  }
}

TEST_CASE("retry_after: one try at a time, until a run is stable") {
  const RestartSettings settings{.max_restarts = 2, .retry_after = 10min};
  RestartHistory history;
  CHECK(decide(settings, history, code(1), 0s).action == Action::restart);
  for (int i = 2; i < 5; ++i) {
    const RestartDecision decision = decide(settings, history, code(1), 0s);
    CHECK(decision.action == Action::give_up);
    CHECK(decision.delay == 10min);
  }
  CHECK(
      decide(settings, history, code(1), 20ms).reason ==
      "exit code 1 after 20 ms; gave up after 5 unstable runs in a row (max_restarts 2); one more "
      "try in 600000 ms");
  CHECK(decide(settings, history, code(1), 1h).action == Action::restart);
  CHECK(decide(settings, history, code(1), 0s).action == Action::restart);
}

TEST_CASE("durations in words are rounded down") {
  CHECK(about(-1s) == "0 ms");
  CHECK(about(999us) == "0 ms");
  CHECK(about(99ms) == "99 ms");
  CHECK(about(100ms) == "0.1 s");
  CHECK(about(9'999ms) == "9.9 s");
  CHECK(about(10s) == "10 s");
  CHECK(about(119s) == "119 s");
  CHECK(about(120s) == "2 min");
  CHECK(about(2h) == "2 h");
  CHECK(about(47h) == "47 h");
  CHECK(about(48h) == "2 d");
  CHECK(exactly(150ms) == "150 ms");
}
