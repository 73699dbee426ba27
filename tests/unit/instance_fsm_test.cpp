// InstanceFsm: every cell of the table at the head of instance_fsm.h, then stories.
#include "daemon/policy/instance_fsm.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <csignal>
#include <map>
#include <set>
#include <string_view>

using namespace pmx;
using namespace std::chrono_literals;
using AfterStop = InstanceFsm::AfterStop;
using Snapshot = InstanceFsm::Snapshot;

namespace {

constexpr TimePoint kStart{1h};

ExitStatus code(int value) { return {ExitStatus::Kind::exited, value, false}; }

std::string text(const InstanceEffect& effect) {
  struct Text {
    std::string operator()(const effect::Spawn&) const { return "spawn"; }
    std::string operator()(const effect::BeginStop&) const { return "begin-stop"; }
    std::string operator()(const effect::SweepLeftovers&) const { return "sweep"; }
    std::string operator()(const effect::ArmRestartTimer& arm) const {
      return fmt::format("restart-timer({})", arm.delay.count());
    }
    std::string operator()(const effect::CancelRestartTimer&) const {
      return "cancel-restart-timer";
    }
    std::string operator()(const effect::ArmReadyTimer& arm) const {
      return fmt::format("ready-timer({})", arm.delay.count());
    }
    std::string operator()(const effect::CancelReadyTimer&) const { return "cancel-ready-timer"; }
    std::string operator()(const effect::AwaitConnection&) const { return "await"; }
    std::string operator()(const effect::CancelAwait&) const { return "cancel-await"; }
    std::string operator()(const effect::Changed&) const { return "changed"; }
  };
  return std::visit(Text{}, effect);
}

std::string text(const InstanceStep& step) {
  std::string all;
  for (const InstanceEffect& effect : step.effects) all += (all.empty() ? "" : " ") + text(effect);
  return all;
}

// "launching*", "stopping>restart", "errored!" (survivors): state with what else decides the
// future.
std::string text(const Snapshot& snapshot) {
  std::string all(to_string(snapshot.state));
  if (snapshot.spawn_pending) all += '*';
  if (snapshot.state == InstanceState::launching && snapshot.spawn_pending &&
      snapshot.spawn_automatic) {
    all += "automatic";
  }
  if (snapshot.survivors) all += '!';
  if (snapshot.after_stop == AfterStop::start) all += ">start";
  if (snapshot.after_stop == AfterStop::restart) all += ">restart";
  if (snapshot.after_stop == AfterStop::decide) all += ">decide";
  return all;
}

const std::map<std::string_view, InstanceEvent> kEvents{
    {"start", StartRequested{}},
    {"stop", StopRequested{}},
    {"restart", RestartRequested{}},
    {"spawned", Spawned{8}},
    {"spawn-failed", SpawnFailed{"exec: no such file"}},
    {"ready", Ready{}},
    {"ready-timeout", ReadyTimedOut{}},
    {"exited", Exited{code(1)}},
    {"stop-finished", StopFinished{}},
    {"stop-failed", StopFailed{"pid 7 survived SIGKILL"}},
    {"restart-due", RestartDue{}},
    {"connected", Connected{}},
    {"scheduled", RestartScheduled{"cron", false}},
    {"revive", RestartScheduled{"cron", true}},
    {"replaced", Replaced{9}},
    {"run-due", RunDue{"run of noon"}},
    {"run-timed-out", RunTimedOut{"too long"}},
};

// One per column of the table, and more where a column has a footnote.
const std::map<std::string_view, Snapshot> kStates{
    {"stopped", {.state = InstanceState::stopped}},
    {"launching*", {.state = InstanceState::launching, .spawn_pending = true}},
    {"automatic",
     {.state = InstanceState::launching, .spawn_pending = true, .spawn_automatic = true}},
    {"launching", {.state = InstanceState::launching}},
    {"online", {.state = InstanceState::online}},
    {"stopping*", {.state = InstanceState::stopping, .spawn_pending = true}},
    {"stopping*>restart",
     {.state = InstanceState::stopping, .spawn_pending = true, .after_stop = AfterStop::restart}},
    {"stopping", {.state = InstanceState::stopping}},
    {"stopping>start", {.state = InstanceState::stopping, .after_stop = AfterStop::start}},
    {"stopping>restart", {.state = InstanceState::stopping, .after_stop = AfterStop::restart}},
    {"waiting", {.state = InstanceState::waiting_restart, .restart_due = kStart + 5s}},
    {"errored", {.state = InstanceState::errored}},
    {"errored!", {.state = InstanceState::errored, .survivors = true}},
    {"idle", {.state = InstanceState::idle}},
    {"stopped by operator", {.state = InstanceState::stopped, .by_operator = true}},
};

struct Cell {
  std::string_view state;
  std::string_view event;
  std::string_view after;    // "-" = ignored
  std::string_view effects;  // in order
  int counted = 0;           // restarts
};

// Readiness is required; the run lasted 400 ms.
const std::vector<Cell> kCells{
    {"stopped", "start", "launching*", "changed spawn"},
    {"stopped", "stop", "stopped", "changed"},
    {"stopped", "restart", "launching*", "changed spawn"},
    {"stopped", "spawned", "-", ""},
    {"stopped", "spawn-failed", "-", ""},
    {"stopped", "ready", "-", ""},
    {"stopped", "ready-timeout", "-", ""},
    {"stopped", "exited", "-", ""},
    {"stopped", "stop-finished", "-", ""},
    {"stopped", "stop-failed", "-", ""},
    {"stopped", "restart-due", "-", ""},
    {"stopped", "connected", "-", ""},
    {"stopped", "scheduled", "-", ""},
    {"stopped", "revive", "launching*", "changed spawn"},
    {"stopped", "replaced", "-", ""},
    {"stopped", "run-due", "-", ""},
    {"stopped", "run-timed-out", "-", ""},

    {"launching*", "start", "launching*", "changed"},
    {"launching*", "stop", "stopping*", "changed"},
    {"launching*", "restart", "stopping*>restart", "changed"},
    {"launching*", "spawned", "launching", "changed ready-timer(3000)"},
    {"launching*", "spawn-failed", "errored", "changed"},
    {"launching*", "ready", "-", ""},
    {"launching*", "ready-timeout", "-", ""},
    {"launching*", "exited", "-", ""},
    {"launching*", "stop-finished", "-", ""},
    {"launching*", "stop-failed", "-", ""},
    {"launching*", "restart-due", "-", ""},
    {"launching*", "connected", "-", ""},
    {"launching*", "scheduled", "-", ""},
    {"launching*", "revive", "-", ""},
    {"launching*", "replaced", "-", ""},
    {"launching*", "run-due", "launching*", "changed"},
    {"launching*", "run-timed-out", "-", ""},

    {"automatic", "start", "launching*automatic", "changed"},
    {"automatic", "stop", "stopping*", "changed"},
    {"automatic", "restart", "stopping*>restart", "changed"},
    {"automatic", "spawned", "launching", "changed ready-timer(3000)"},
    {"automatic", "spawn-failed", "waiting restart", "changed restart-timer(1000)"},
    {"automatic", "ready", "-", ""},
    {"automatic", "ready-timeout", "-", ""},
    {"automatic", "exited", "-", ""},
    {"automatic", "stop-finished", "-", ""},
    {"automatic", "stop-failed", "-", ""},
    {"automatic", "restart-due", "-", ""},
    {"automatic", "connected", "-", ""},
    {"automatic", "scheduled", "-", ""},
    {"automatic", "revive", "-", ""},
    {"automatic", "replaced", "-", ""},
    {"automatic", "run-due", "launching*automatic", "changed"},
    {"automatic", "run-timed-out", "-", ""},

    {"launching", "start", "launching", "changed"},
    {"launching", "stop", "stopping", "cancel-ready-timer changed begin-stop"},
    {"launching", "restart", "stopping>restart", "cancel-ready-timer changed begin-stop"},
    {"launching", "spawned", "-", ""},
    {"launching", "spawn-failed", "-", ""},
    {"launching", "ready", "online", "cancel-ready-timer changed"},
    {"launching", "ready-timeout", "online", "changed"},
    {"launching", "exited", "launching*automatic", "cancel-ready-timer sweep changed spawn", 1},
    {"launching", "stop-finished", "-", ""},
    {"launching", "stop-failed", "-", ""},
    {"launching", "restart-due", "-", ""},
    {"launching", "connected", "-", ""},
    {"launching", "scheduled", "stopping>restart", "cancel-ready-timer changed begin-stop"},
    {"launching", "revive", "stopping>restart", "cancel-ready-timer changed begin-stop"},
    {"launching", "replaced", "online", "cancel-ready-timer changed", 1},
    {"launching", "run-due", "launching", "changed"},
    {"launching", "run-timed-out", "-", ""},

    {"online", "start", "online", "changed"},
    {"online", "stop", "stopping", "changed begin-stop"},
    {"online", "restart", "stopping>restart", "changed begin-stop"},
    {"online", "spawned", "-", ""},
    {"online", "spawn-failed", "-", ""},
    {"online", "ready", "-", ""},
    {"online", "ready-timeout", "-", ""},
    {"online", "exited", "launching*automatic", "sweep changed spawn", 1},
    {"online", "stop-finished", "-", ""},
    {"online", "stop-failed", "-", ""},
    {"online", "restart-due", "-", ""},
    {"online", "connected", "-", ""},
    {"online", "scheduled", "stopping>restart", "changed begin-stop"},
    {"online", "revive", "stopping>restart", "changed begin-stop"},
    {"online", "replaced", "online", "changed", 1},
    {"online", "run-due", "online", "changed"},
    {"online", "run-timed-out", "stopping>decide", "changed begin-stop"},

    {"stopping*", "start", "stopping*>start", "changed"},
    {"stopping*", "stop", "stopping*", "changed"},
    {"stopping*", "restart", "stopping*>restart", "changed"},
    {"stopping*", "spawned", "stopping", "changed begin-stop"},
    {"stopping*", "spawn-failed", "stopped", "changed"},
    {"stopping*", "ready", "-", ""},
    {"stopping*", "ready-timeout", "-", ""},
    {"stopping*", "exited", "-", ""},
    {"stopping*", "stop-finished", "-", ""},
    {"stopping*", "stop-failed", "-", ""},
    {"stopping*", "restart-due", "-", ""},
    {"stopping*", "connected", "-", ""},
    {"stopping*", "scheduled", "-", ""},
    {"stopping*", "revive", "-", ""},
    {"stopping*", "replaced", "-", ""},
    {"stopping*", "run-due", "-", ""},
    {"stopping*", "run-timed-out", "-", ""},

    {"stopping*>restart", "start", "stopping*>restart", "changed"},
    {"stopping*>restart", "stop", "stopping*", "changed"},
    {"stopping*>restart", "restart", "stopping*>restart", "changed"},
    {"stopping*>restart", "spawned", "stopping>restart", "changed begin-stop"},
    {"stopping*>restart", "spawn-failed", "launching*", "changed spawn", 1},
    {"stopping*>restart", "ready", "-", ""},
    {"stopping*>restart", "ready-timeout", "-", ""},
    {"stopping*>restart", "exited", "-", ""},
    {"stopping*>restart", "stop-finished", "-", ""},
    {"stopping*>restart", "stop-failed", "-", ""},
    {"stopping*>restart", "restart-due", "-", ""},
    {"stopping*>restart", "connected", "-", ""},
    {"stopping*>restart", "scheduled", "-", ""},
    {"stopping*>restart", "revive", "-", ""},
    {"stopping*>restart", "replaced", "-", ""},
    {"stopping*>restart", "run-due", "stopping*>restart", "changed"},
    {"stopping*>restart", "run-timed-out", "-", ""},

    {"stopping", "start", "stopping>start", "changed"},
    {"stopping", "stop", "stopping", "changed"},
    {"stopping", "restart", "stopping>restart", "changed"},
    {"stopping", "spawned", "-", ""},
    {"stopping", "spawn-failed", "-", ""},
    {"stopping", "ready", "-", ""},
    {"stopping", "ready-timeout", "-", ""},
    {"stopping", "exited", "stopping", "changed"},
    {"stopping", "stop-finished", "stopped", "changed"},
    {"stopping", "stop-failed", "errored!", "changed"},
    {"stopping", "restart-due", "-", ""},
    {"stopping", "connected", "-", ""},
    {"stopping", "scheduled", "-", ""},
    {"stopping", "revive", "-", ""},
    {"stopping", "replaced", "-", ""},
    {"stopping", "run-due", "-", ""},
    {"stopping", "run-timed-out", "-", ""},

    {"stopping>start", "start", "stopping>start", "changed"},
    {"stopping>start", "stop", "stopping", "changed"},
    {"stopping>start", "restart", "stopping>restart", "changed"},
    {"stopping>start", "spawned", "-", ""},
    {"stopping>start", "spawn-failed", "-", ""},
    {"stopping>start", "ready", "-", ""},
    {"stopping>start", "ready-timeout", "-", ""},
    {"stopping>start", "exited", "stopping>start", "changed"},
    {"stopping>start", "stop-finished", "launching*", "changed spawn"},
    {"stopping>start", "stop-failed", "errored!", "changed"},
    {"stopping>start", "restart-due", "-", ""},
    {"stopping>start", "connected", "-", ""},
    {"stopping>start", "scheduled", "-", ""},
    {"stopping>start", "revive", "-", ""},
    {"stopping>start", "replaced", "-", ""},
    {"stopping>start", "run-due", "stopping>start", "changed"},
    {"stopping>start", "run-timed-out", "-", ""},

    {"stopping>restart", "start", "stopping>restart", "changed"},
    {"stopping>restart", "stop", "stopping", "changed"},
    {"stopping>restart", "restart", "stopping>restart", "changed"},
    {"stopping>restart", "spawned", "-", ""},
    {"stopping>restart", "spawn-failed", "-", ""},
    {"stopping>restart", "ready", "-", ""},
    {"stopping>restart", "ready-timeout", "-", ""},
    {"stopping>restart", "exited", "stopping>restart", "changed"},
    {"stopping>restart", "stop-finished", "launching*", "changed spawn", 1},
    {"stopping>restart", "stop-failed", "errored!", "changed"},
    {"stopping>restart", "restart-due", "-", ""},
    {"stopping>restart", "connected", "-", ""},
    {"stopping>restart", "scheduled", "-", ""},
    {"stopping>restart", "revive", "-", ""},
    {"stopping>restart", "replaced", "-", ""},
    {"stopping>restart", "run-due", "stopping>restart", "changed"},
    {"stopping>restart", "run-timed-out", "-", ""},

    {"waiting", "start", "launching*", "cancel-restart-timer changed spawn", 1},
    {"waiting", "stop", "stopped", "cancel-restart-timer changed"},
    {"waiting", "restart", "launching*", "cancel-restart-timer changed spawn", 1},
    {"waiting", "spawned", "-", ""},
    {"waiting", "spawn-failed", "-", ""},
    {"waiting", "ready", "-", ""},
    {"waiting", "ready-timeout", "-", ""},
    {"waiting", "exited", "-", ""},
    {"waiting", "stop-finished", "-", ""},
    {"waiting", "stop-failed", "-", ""},
    {"waiting", "restart-due", "launching*automatic", "changed spawn", 1},
    {"waiting", "connected", "-", ""},
    {"waiting", "scheduled", "-", ""},
    {"waiting", "revive", "launching*", "cancel-restart-timer changed spawn", 1},
    {"waiting", "replaced", "online", "cancel-restart-timer changed", 1},
    {"waiting", "run-due", "launching*", "cancel-restart-timer changed spawn"},
    {"waiting", "run-timed-out", "-", ""},

    {"errored", "start", "launching*", "changed spawn"},
    {"errored", "stop", "stopped", "changed"},
    {"errored", "restart", "launching*", "changed spawn"},
    {"errored", "spawned", "-", ""},
    {"errored", "spawn-failed", "-", ""},
    {"errored", "ready", "-", ""},
    {"errored", "ready-timeout", "-", ""},
    {"errored", "exited", "-", ""},
    {"errored", "stop-finished", "-", ""},
    {"errored", "stop-failed", "-", ""},
    {"errored", "restart-due", "-", ""},
    {"errored", "connected", "-", ""},
    {"errored", "scheduled", "-", ""},
    {"errored", "revive", "launching*", "changed spawn"},
    {"errored", "replaced", "online", "changed", 1},
    {"errored", "run-due", "launching*", "changed spawn"},
    {"errored", "run-timed-out", "-", ""},

    {"errored!", "start", "stopping>start", "changed begin-stop"},
    {"errored!", "stop", "stopping", "changed begin-stop"},
    {"errored!", "restart", "stopping>start", "changed begin-stop"},
    {"errored!", "spawned", "-", ""},
    {"errored!", "spawn-failed", "-", ""},
    {"errored!", "ready", "-", ""},
    {"errored!", "ready-timeout", "-", ""},
    {"errored!", "exited", "errored!", "changed"},
    {"errored!", "stop-finished", "stopped", "changed"},
    {"errored!", "stop-failed", "-", ""},
    {"errored!", "restart-due", "-", ""},
    {"errored!", "connected", "-", ""},
    {"errored!", "scheduled", "-", ""},
    {"errored!", "revive", "-", ""},
    {"errored!", "replaced", "-", ""},
    {"errored!", "run-due", "-", ""},
    {"errored!", "run-timed-out", "-", ""},

    {"idle", "start", "launching*", "cancel-restart-timer cancel-await changed spawn"},
    {"idle", "stop", "stopped", "cancel-restart-timer cancel-await changed"},
    {"idle", "restart", "launching*", "cancel-restart-timer cancel-await changed spawn"},
    {"idle", "spawned", "-", ""},
    {"idle", "spawn-failed", "errored", "changed"},
    {"idle", "ready", "-", ""},
    {"idle", "ready-timeout", "-", ""},
    {"idle", "exited", "-", ""},
    {"idle", "stop-finished", "-", ""},
    {"idle", "stop-failed", "-", ""},
    {"idle", "restart-due", "idle", "await"},
    {"idle", "connected", "launching*automatic", "changed spawn"},
    {"idle", "scheduled", "-", ""},
    {"idle", "revive", "-", ""},
    {"idle", "replaced", "-", ""},
    {"idle", "run-due", "launching*", "changed spawn"},
    {"idle", "run-timed-out", "-", ""},

    {"stopped by operator", "start", "launching*", "changed spawn"},
    {"stopped by operator", "stop", "stopped", "changed"},
    {"stopped by operator", "restart", "launching*", "changed spawn"},
    {"stopped by operator", "spawned", "-", ""},
    {"stopped by operator", "spawn-failed", "-", ""},
    {"stopped by operator", "ready", "-", ""},
    {"stopped by operator", "ready-timeout", "-", ""},
    {"stopped by operator", "exited", "-", ""},
    {"stopped by operator", "stop-finished", "-", ""},
    {"stopped by operator", "stop-failed", "-", ""},
    {"stopped by operator", "restart-due", "-", ""},
    {"stopped by operator", "connected", "-", ""},
    {"stopped by operator", "scheduled", "-", ""},
    {"stopped by operator", "revive", "-", ""},
    {"stopped by operator", "replaced", "-", ""},
    {"stopped by operator", "run-due", "-", ""},
    {"stopped by operator", "run-timed-out", "-", ""},
};

InstanceFsm in_state(std::string_view name, bool is_job) {
  Snapshot snapshot = kStates.at(name);
  snapshot.reason = "some reason";
  snapshot.restarts = 5;
  snapshot.history = {.unstable_restarts = 3, .backoff = 100ms};
  snapshot.generation = 7;
  snapshot.started_at = kStart;
  InstanceFsmSettings settings{.restart = {}, .ready_required = true};
  if (is_job) settings.job = JobSpec{.schedule = "0 12 * * *", .overlap = Overlap::queue};
  return InstanceFsm::restore(std::move(settings), snapshot);
}

// Drives a machine as the runtime would, with a clock set by hand.
struct Driver {
  InstanceFsm fsm;
  TimePoint now = kStart;
  Generation next = 1;

  explicit Driver(InstanceFsmSettings settings = {}) : fsm(std::move(settings)) {}

  std::string on(const InstanceEvent& event) { return text(fsm.on(event, now)); }
  std::string spawned() { return on(Spawned{next++}); }
  // A run of this length that ends with `exit`; performs automatic restarts up to the next process.
  void run(Duration uptime, ExitStatus exit) {
    now += uptime;
    on(Exited{exit});
    if (fsm.state() == InstanceState::waiting_restart) {
      now += *fsm.snapshot().restart_due - now;
      on(RestartDue{});
    }
    if (fsm.state() == InstanceState::launching) spawned();
  }
  void start() {
    on(StartRequested{});
    spawned();
  }
};

}  // namespace

TEST_CASE("every cell of the table") {
  for (const Cell& cell : kCells) {
    CAPTURE(cell.state);
    CAPTURE(cell.event);
    InstanceFsm fsm = in_state(cell.state, cell.event.starts_with("run-"));
    const Snapshot before = fsm.snapshot();
    const InstanceStep step = fsm.on(kEvents.at(cell.event), kStart + 400ms);

    CHECK_FALSE(step.reason.empty());
    CHECK(text(step) == cell.effects);
    CHECK(fsm.restarts() == 5 + cell.counted);
    CHECK(step.ignored == (cell.after == "-"));
    if (step.ignored) {
      CHECK(fsm.snapshot() == before);
    } else {
      CHECK(text(fsm.snapshot()) == cell.after);
      CHECK_FALSE(fsm.reason().empty());
      if (cell.event == "exited") CHECK(fsm.last_exit() == code(1));
    }
    const bool by_operator =
        cell.event == "start" || cell.event == "stop" || cell.event == "restart";
    if (by_operator) {
      CHECK_FALSE(step.ignored);
      CHECK(fsm.snapshot().history == RestartHistory{});
    }
  }
}

TEST_CASE("the rows above cover every state and event exactly once") {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const Cell& cell : kCells) CHECK(seen.emplace(cell.state, cell.event).second);
  CHECK(seen.size() == kStates.size() * kEvents.size());
  CHECK(kEvents.size() == std::variant_size_v<InstanceEvent> + 1);  // one with two faces
}

TEST_CASE("settings come from the spec") {
  AppSpec spec;
  CHECK_FALSE(InstanceFsmSettings::from(spec).ready_required);
  spec.wait_ready = true;
  spec.listen_timeout = 7s;
  spec.max_restarts = 4;
  CHECK(InstanceFsmSettings::from(spec).ready_required);
  CHECK(InstanceFsmSettings::from(spec).ready_timeout == 7s);
  CHECK(InstanceFsmSettings::from(spec).restart.max_restarts == 4);
  spec.wait_ready = false;
  spec.exec_mode = ExecMode::cluster;
  CHECK(InstanceFsmSettings::from(spec).ready_required);
}

TEST_CASE("errored, and tried again later") {
  InstanceFsmSettings settings{.restart = {.max_restarts = 1}};
  settings.restart.retry_after = 60s;
  Driver app(settings);
  app.start();
  CHECK(app.on(Exited{code(1)}) == "sweep changed restart-timer(60000)");
  CHECK(app.fsm.state() == InstanceState::errored);
  CHECK(app.fsm.restarts() == 0);

  SUBCASE("by the timer") {
    CHECK(text(app.fsm.resume(app.now + 20s)) == "restart-timer(40000)");
    CHECK(app.on(RestartDue{}) == "cancel-restart-timer changed spawn");
    CHECK(app.fsm.restarts() == 1);
    app.spawned();
    CHECK(app.on(Exited{code(1)}) == "sweep changed restart-timer(60000)");
  }
  SUBCASE("the operator comes first") {
    CHECK(app.on(StopRequested{}) == "cancel-restart-timer changed");
    CHECK(app.fsm.state() == InstanceState::stopped);
    CHECK(app.on(RestartDue{}).empty());
  }
}

TEST_CASE("started by the first connection") {
  InstanceFsmSettings settings{.restart = {.mode = RestartMode::never}};
  settings.start_on_connection = true;
  Driver app(settings);
  CHECK(app.on(StartRequested{}) == "changed await");
  CHECK(app.fsm.state() == InstanceState::idle);
  CHECK(app.fsm.wants_running());
  CHECK(app.on(StartRequested{}) == "cancel-restart-timer cancel-await changed await");
  CHECK(app.on(Connected{}) == "changed spawn");
  CHECK(app.spawned() == "changed");

  SUBCASE("what ends waits for the next") {
    app.now += 5s;
    CHECK(app.on(Exited{code(0)}) == "sweep changed await");
    CHECK(app.fsm.state() == InstanceState::idle);
    CHECK(app.on(StopRequested{}) == "cancel-restart-timer cancel-await changed");
    CHECK(app.fsm.state() == InstanceState::stopped);
  }
  SUBCASE("but not in a circle") {
    app.now += 400ms;
    CHECK(app.on(Exited{code(1)}) == "sweep changed restart-timer(600)");
    CHECK(app.on(RestartDue{}) == "await");
  }
  SUBCASE("an operator's restart does not wait") {
    CHECK(app.on(RestartRequested{}) == "changed begin-stop");
    CHECK(app.on(StopFinished{}) == "changed spawn");
  }
  SUBCASE("a port that cannot be had") {
    app.on(Exited{code(0)});
    app.on(SpawnFailed{"listen tcp:80: Permission denied"});
    CHECK(app.fsm.state() == InstanceState::errored);
  }
}

TEST_CASE("a plain app is online as soon as it is spawned") {
  Driver app;
  CHECK_FALSE(app.fsm.wants_running());
  CHECK(app.on(StartRequested{}) == "changed spawn");
  CHECK(app.fsm.state() == InstanceState::launching);
  CHECK(app.fsm.wants_running());
  app.now += 5ms;
  CHECK(app.spawned() == "changed");
  CHECK(app.fsm.state() == InstanceState::online);
  CHECK(app.fsm.generation() == 1);
  CHECK(app.fsm.started_at() == app.now);
  CHECK(app.fsm.restarts() == 0);
}

TEST_CASE("readiness: by signal or by timeout") {
  Driver app({.restart = {}, .ready_required = true});
  app.start();
  CHECK(app.fsm.state() == InstanceState::launching);
  SUBCASE("signal") {
    app.on(Ready{});
    CHECK(app.fsm.reason() == "ready");
  }
  SUBCASE("timeout") {
    app.on(ReadyTimedOut{});
    CHECK(app.fsm.reason() == "no ready signal within 3000 ms; counted as online, as pm2 does");
  }
  CHECK(app.fsm.state() == InstanceState::online);
}

TEST_CASE("readiness: not in time is a failure, if that is wished") {
  InstanceFsmSettings settings{.restart = {.max_restarts = 2}, .ready_required = true};
  settings.ready_timeout_fails = true;
  Driver app(settings);
  app.start();
  CHECK(app.on(ReadyTimedOut{"GET http://x/: status 500"}) == "changed begin-stop");
  CHECK(app.fsm.reason() == "not ready within 3000 ms: GET http://x/: status 500");
  CHECK(app.fsm.wants_running());
  SUBCASE("restarted, then given up") {
    CHECK(app.on(StopFinished{}) == "changed spawn");
    CHECK(app.fsm.restarts() == 1);
    app.spawned();
    app.on(ReadyTimedOut{});
    CHECK(app.on(StopFinished{}) == "changed");
    CHECK(app.fsm.state() == InstanceState::errored);
    CHECK(app.fsm.reason() ==
          "not ready within 3000 ms; gave up after 2 unstable runs in a row (max_restarts 2)");
  }
  SUBCASE("without autorestart it is errored at once") {
    app.fsm.set_settings({.restart = {.mode = RestartMode::never}});
    CHECK(app.on(StopFinished{}) == "changed");
    CHECK(app.fsm.state() == InstanceState::errored);
  }
  SUBCASE("the operator has the last word") {
    app.on(StopRequested{});
    CHECK(app.on(StopFinished{}) == "changed");
    CHECK(app.fsm.state() == InstanceState::stopped);
  }
}

TEST_CASE("an instantly crashing app: 15 restarts, then errored") {
  Driver app;
  app.start();
  int runs = 0;
  for (; app.fsm.state() == InstanceState::online && runs < 100; ++runs) app.run(50ms, code(1));
  CHECK(runs == 16);
  CHECK(app.fsm.restarts() == 15);
  CHECK(app.fsm.state() == InstanceState::errored);
  CHECK_FALSE(app.fsm.wants_running());
  CHECK(app.fsm.reason() ==
        "exit code 1 after 50 ms; gave up after 16 unstable runs in a row (max_restarts 16)");

  // The operator gets the whole number again.
  app.start();
  CHECK(app.fsm.restarts() == 15);
  for (runs = 0; app.fsm.state() == InstanceState::online && runs < 100; ++runs)
    app.run(50ms, code(1));
  CHECK(runs == 16);
  CHECK(app.fsm.restarts() == 30);
}

TEST_CASE("max_restarts 3: two restarts") {
  Driver app({.restart = {.max_restarts = 3}});
  app.start();
  for (int run = 0; run < 10; ++run) app.run(50ms, code(1));
  CHECK(app.fsm.restarts() == 2);
  CHECK(app.fsm.state() == InstanceState::errored);
}

TEST_CASE("trap 1: an old app that comes back after a boot still ends errored") {
  Driver app;
  app.fsm = InstanceFsm::restore(
      {}, {.state = InstanceState::stopped, .reason = "saved", .restarts = 100});
  app.now += 24h * 365;
  app.start();
  for (int run = 0; run < 100; ++run) app.run(50ms, code(1));
  CHECK(app.fsm.state() == InstanceState::errored);
  CHECK(app.fsm.restarts() == 115);
}

TEST_CASE("trap 2: an app that waits for its restart can be started, restarted and stopped") {
  Driver app({.restart = {.exp_backoff_restart_delay = 100ms}});
  app.start();
  app.now += 50ms;
  CHECK(app.on(Exited{code(1)}) == "sweep changed restart-timer(100)");
  CHECK(app.fsm.state() == InstanceState::waiting_restart);
  CHECK(app.fsm.wants_running());
  CHECK(app.fsm.backoff() == 100ms);
  SUBCASE("start") { CHECK(app.on(StartRequested{}) == "cancel-restart-timer changed spawn"); }
  SUBCASE("restart") { CHECK(app.on(RestartRequested{}) == "cancel-restart-timer changed spawn"); }
  SUBCASE("stop, then start") {
    CHECK(app.on(StopRequested{}) == "cancel-restart-timer changed");
    CHECK(app.fsm.state() == InstanceState::stopped);
    CHECK(app.on(StartRequested{}) == "changed spawn");
  }
  CHECK(app.fsm.backoff() == 0ms);
  CHECK(app.fsm.unstable_restarts() == 0);
  CHECK(app.fsm.snapshot().restart_due == std::nullopt);
  CHECK(app.on(RestartDue{}).empty());  // the timer had fired already
  app.spawned();
  CHECK(app.fsm.state() == InstanceState::online);
}

TEST_CASE("trap 3: stop while launching really stops") {
  Driver app({.restart = {}, .ready_required = true});
  SUBCASE("before the process exists") {
    app.on(StartRequested{});
    CHECK(app.on(StopRequested{}) == "changed");
    CHECK_FALSE(app.fsm.wants_running());
    CHECK(app.spawned() == "changed begin-stop");
  }
  SUBCASE("before it is ready") {
    app.start();
    CHECK(app.on(StopRequested{}) == "cancel-ready-timer changed begin-stop");
    CHECK(app.on(Ready{}).empty());
    CHECK(app.on(ReadyTimedOut{}).empty());
  }
  CHECK(app.fsm.state() == InstanceState::stopping);
  CHECK(app.on(Exited{code(1)}) == "changed");
  CHECK(app.fsm.state() == InstanceState::stopping);
  CHECK(app.on(StopFinished{}) == "changed");
  CHECK(app.fsm.state() == InstanceState::stopped);
  CHECK(app.fsm.last_exit() == code(1));
  CHECK(app.fsm.restarts() == 0);
}

TEST_CASE("trap 4: an instance that has never run can be started") {
  Driver app;
  SUBCASE("start") { app.on(StartRequested{}); }
  SUBCASE("restart") { app.on(RestartRequested{}); }
  app.spawned();
  CHECK(app.fsm.state() == InstanceState::online);
  CHECK(app.fsm.restarts() == 0);
}

TEST_CASE("trap 5: a configured delay hides neither errored nor stopped") {
  Driver app({.restart = {.max_restarts = 2, .restart_delay = 100ms}});
  app.start();
  app.run(50ms, code(1));
  CHECK(app.fsm.state() == InstanceState::online);
  CHECK(app.on(Exited{code(1)}) == "sweep changed");
  CHECK(app.fsm.state() == InstanceState::errored);

  Driver once({.restart = {.mode = RestartMode::never, .restart_delay = 100ms}});
  once.start();
  CHECK(once.on(Exited{code(0)}) == "sweep changed");
  CHECK(once.fsm.state() == InstanceState::stopped);
  CHECK(once.fsm.reason() == "exit code 0 after 0 ms; not restarted: autorestart is off");
}

TEST_CASE("trap 6: an app that needs seconds to crash ends errored too") {
  Driver app;
  app.start();
  for (int run = 0; run < 100; ++run) app.run(5s, code(1));
  CHECK(app.fsm.state() == InstanceState::errored);
  CHECK(app.fsm.restarts() == 15);
}

TEST_CASE("an app that fails now and then is restarted for ever") {
  Driver app;
  app.start();
  for (int run = 0; run < 100; ++run) app.run(1min, code(1));
  CHECK(app.fsm.state() == InstanceState::online);
  CHECK(app.fsm.restarts() == 100);
  CHECK(app.fsm.unstable_restarts() == 0);
}

TEST_CASE("the back-off grows with each restart") {
  Driver app({.restart = {.exp_backoff_restart_delay = 100ms}});
  app.start();
  for (const std::string_view expected : {"100", "150", "225", "337"}) {
    CHECK(app.on(Exited{code(1)}) == fmt::format("sweep changed restart-timer({})", expected));
    CHECK(app.on(RestartDue{}) == "changed spawn");
    app.spawned();
  }
  CHECK(app.fsm.restarts() == 4);
  CHECK(app.fsm.unstable_restarts() == 4);
}

TEST_CASE("restart of a running app counts, and keeps the exit") {
  Driver app;
  app.start();
  CHECK(app.on(RestartRequested{}) == "changed begin-stop");
  CHECK(app.fsm.wants_running());
  app.on(Exited{{ExitStatus::Kind::signalled, SIGINT, false}});
  CHECK(app.fsm.restarts() == 0);
  CHECK(app.on(StopFinished{}) == "changed spawn");
  CHECK(app.fsm.restarts() == 1);
  CHECK(app.fsm.reason() == "restarted: restart requested; signal SIGINT");
  app.spawned();
  CHECK(app.fsm.generation() == 2);
  CHECK(app.fsm.last_exit()->value == SIGINT);
}

TEST_CASE("while stopping, the operator's last word wins") {
  Driver app;
  app.start();
  app.on(StopRequested{});
  SUBCASE("stop, start: started, not counted") {
    app.on(StartRequested{});
    CHECK(app.fsm.wants_running());
    CHECK(app.on(StopFinished{}) == "changed spawn");
    CHECK(app.fsm.restarts() == 0);
  }
  SUBCASE("stop, restart: counted") {
    app.on(RestartRequested{});
    CHECK(app.on(StopFinished{}) == "changed spawn");
    CHECK(app.fsm.restarts() == 1);
  }
  SUBCASE("stop, restart, stop: stopped") {
    app.on(RestartRequested{});
    app.on(StopRequested{});
    CHECK_FALSE(app.fsm.wants_running());
    CHECK(app.on(StopFinished{}) == "changed");
    CHECK(app.fsm.state() == InstanceState::stopped);
  }
}

TEST_CASE("what follows a stop is forgotten once it has happened") {
  Driver app;
  app.start();
  app.on(RestartRequested{});
  app.on(StopFinished{});
  app.spawned();
  app.on(StopRequested{});
  CHECK(app.on(StopFinished{}) == "changed");
  CHECK(app.fsm.state() == InstanceState::stopped);
}

TEST_CASE("trap 16: a spawn failure is errored with its reason, not online") {
  Driver app;
  app.on(StartRequested{});
  CHECK(app.on(SpawnFailed{"exec /srv/app: Permission denied"}) == "changed");
  CHECK(app.fsm.state() == InstanceState::errored);
  CHECK(app.fsm.reason() == "could not be started: exec /srv/app: Permission denied");
}

TEST_CASE("a start that fails after a stop request leaves it stopped, and says so") {
  Driver app;
  app.on(StartRequested{});
  app.on(StopRequested{});
  app.on(SpawnFailed{"missing"});
  CHECK(app.fsm.state() == InstanceState::stopped);
  CHECK(app.fsm.reason() ==
        "stopped: stop requested before the process exists; the start under way failed: missing");
}

TEST_CASE("an automatic restart whose binary is missing is tried again, and ends") {
  Driver app;
  app.start();
  app.on(Exited{code(1)});
  int tries = 0;
  while (app.fsm.state() == InstanceState::launching && tries < 100) {
    ++tries;
    app.on(SpawnFailed{"missing"});
    if (app.fsm.state() == InstanceState::waiting_restart) app.on(RestartDue{});
  }
  CHECK(tries == 15);
  CHECK(app.fsm.state() == InstanceState::errored);
}

TEST_CASE("survivors of a failed stop keep the app from running twice") {
  Driver app;
  app.start();
  app.on(RestartRequested{});
  CHECK(app.on(StopFailed{"pid 7 survived SIGKILL"}) == "changed");
  CHECK(app.fsm.state() == InstanceState::errored);
  CHECK(app.fsm.reason() == "could not be stopped: pid 7 survived SIGKILL");
  SUBCASE("a start stops first") {
    CHECK(app.on(StartRequested{}) == "changed begin-stop");
    CHECK(app.on(StopFinished{}) == "changed spawn");
  }
  SUBCASE("when they go at last it is stopped, and can be started") {
    app.on(Exited{code(9)});
    CHECK(app.fsm.last_exit() == code(9));
    CHECK(app.fsm.reason() ==
          "could not be stopped: pid 7 survived SIGKILL; since then: exit code 9");
    app.on(StopFinished{});
    CHECK(app.fsm.state() == InstanceState::stopped);
    CHECK(app.on(StartRequested{}) == "changed spawn");
  }
}

TEST_CASE("trap 8: a reload takes over only where the app is wanted") {
  Driver app;
  app.start();
  app.now += 10s;
  app.on(Replaced{42});
  CHECK(app.fsm.state() == InstanceState::online);
  CHECK(app.fsm.generation() == 42);
  CHECK(app.fsm.started_at() == app.now);
  CHECK(app.fsm.restarts() == 1);

  app.on(StopRequested{});
  CHECK(app.fsm.on(Replaced{43}, app.now).ignored);
  CHECK(app.fsm.generation() == 42);
}

TEST_CASE("reset puts the counters to 0 and keeps the rest") {
  Driver app({.restart = {.restart_delay = 100ms}});
  app.start();
  app.on(Exited{code(1)});
  app.on(RestartDue{});
  app.spawned();
  app.on(Exited{code(1)});
  app.fsm.reset_counters();
  CHECK(app.fsm.restarts() == 0);
  CHECK(app.fsm.unstable_restarts() == 0);
  CHECK(app.fsm.state() == InstanceState::waiting_restart);
  CHECK(app.on(RestartDue{}) == "changed spawn");
  CHECK(app.fsm.restarts() == 1);
}

TEST_CASE("new settings hold from the next event on") {
  Driver app;
  app.start();
  app.fsm.set_settings({.restart = {.mode = RestartMode::never}});
  app.on(Exited{code(1)});
  CHECK(app.fsm.state() == InstanceState::stopped);
}

TEST_CASE("adoption after the daemon's death") {
  const InstanceFsmSettings settings{.restart = {.restart_delay = 2s}, .ready_required = true};
  Driver app(settings);
  const auto adopt = [&] {
    app.fsm = InstanceFsm::restore(settings, Snapshot(app.fsm.snapshot()));
  };
  app.start();

  SUBCASE("while launching: what is left of the timeout") {
    adopt();
    CHECK(text(app.fsm.resume(kStart + 1s)) == "ready-timer(2000)");
    CHECK(text(app.fsm.resume(kStart + 1h)) == "ready-timer(0)");
  }
  SUBCASE("while online: an exit learned later counts from when it happened") {
    app.on(Ready{});
    adopt();
    CHECK(text(app.fsm.resume(kStart + 1h)).empty());
    app.now = kStart + 500ms;
    app.on(Exited{code(1)});
    CHECK(app.fsm.reason() == "exit code 1 after 0.5 s; restart 1 of 15 in 2000 ms");
  }
  SUBCASE("while waiting: what is left of the delay") {
    app.on(Exited{code(1)});
    adopt();
    CHECK(text(app.fsm.resume(kStart + 500ms)) == "restart-timer(1500)");
    CHECK(text(app.fsm.resume(kStart + 1h)) == "restart-timer(0)");
  }
  SUBCASE("while stopping for a restart: stops on, then starts") {
    app.on(RestartRequested{});
    adopt();
    CHECK(text(app.fsm.resume(kStart)) == "begin-stop");
    CHECK(app.on(StopFinished{}) == "changed spawn");
    CHECK(app.fsm.restarts() == 1);
  }
  SUBCASE("while a spawn is outstanding: its answer is awaited, not asked for again") {
    app.on(Exited{code(1)});
    app.on(RestartDue{});
    adopt();
    CHECK(text(app.fsm.resume(kStart)).empty());
    CHECK(app.spawned() == "changed ready-timer(3000)");
  }
}

TEST_CASE("a clock that seems to run backwards does no harm") {
  Driver app;
  app.start();
  app.now -= 10s;
  app.on(Exited{code(1)});
  CHECK(app.fsm.reason() == "exit code 1 after 0 ms; restart 1 of 15 at once");
}
