// InstanceFsm: random walks. Whatever happens in whatever order, as long as it can happen: nothing is
// online without a process, no operator is refused, no timer is left behind.
#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "daemon/policy/instance_fsm.h"

namespace pmx {
namespace {

using namespace std::chrono_literals;

constexpr int kEventsPerWalk = 16;

int walks() {
  const char* wish = std::getenv("PMX_TEST_WALKS");
  return wish != nullptr ? std::atoi(wish) : 100'000;
}

// What the instance around the state machine would know.
struct World {
  bool spawn_asked = false;
  bool alive = false;  // a main process exists
  bool stop_asked = false;
  bool survivors = false;  // of a stop that failed
  bool ready_timer = false;
  bool restart_timer = false;
  bool awaiting = false;
  Generation generation = 0;
  const char* fault = nullptr;

  void operator()(const effect::Spawn&) {
    if (spawn_asked || alive) fault = "a second process";
    spawn_asked = true;
  }
  void operator()(const effect::BeginStop&) { stop_asked = true; }
  void operator()(const effect::SweepLeftovers&) {
    if (alive) fault = "a living process is swept away";
  }
  void operator()(const effect::ArmRestartTimer&) { restart_timer = true; }
  void operator()(const effect::CancelRestartTimer&) { restart_timer = false; }
  void operator()(const effect::ArmReadyTimer&) { ready_timer = true; }
  void operator()(const effect::CancelReadyTimer&) { ready_timer = false; }
  void operator()(const effect::AwaitConnection&) { awaiting = true; }
  void operator()(const effect::CancelAwait&) { awaiting = false; }
  void operator()(const effect::Changed&) {}
};

class Walk {
 public:
  Walk(std::uint32_t seed, InstanceFsmSettings settings)
      : random_(seed),
        scheduled_(settings.job && !settings.job->schedule.empty()),
        fsm_(std::move(settings)) {}

  void run() {
    for (int i = 0; i < kEventsPerWalk; ++i) {
      now_ += Millis{one_of(3000)};
      step();
      if (const char* const what = fault())
        FAIL(history_, "-> ", to_string(fsm_.state()), ": ", std::string(what));
    }
  }

 private:
  int one_of(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }

  InstanceStep tell(const char* name, const InstanceEvent& event) {
    history_ += std::string(name) + ' ';
    InstanceStep step = fsm_.on(event, now_);
    for (const InstanceEffect& effect : step.effects) std::visit(world_, effect);
    return step;
  }

  void step() {
    switch (one_of(14)) {
      case 0:
        refused_ = tell("start", StartRequested{}).ignored;
        return;
      case 1:
        refused_ = tell("stop", StopRequested{}).ignored;
        return;
      case 2:
        refused_ = tell("restart", RestartRequested{}).ignored;
        return;
      case 3:
        tell("scheduled", RestartScheduled{"cron", one_of(2) == 0});
        return;
      case 4:
        if (!world_.ready_timer) return;
        world_.ready_timer = false;
        tell("ready-timeout", ReadyTimedOut{});
        return;
      case 5:
        if (!world_.restart_timer) return;
        world_.restart_timer = false;
        tell("restart-due", RestartDue{});
        return;
      case 6:
        if (!world_.awaiting) return;
        world_.awaiting = false;
        tell("connected", Connected{});
        return;
      case 7:
        replace();
        return;
      case 8:
        tell("run-due", RunDue{"run of noon"});
        return;
      case 9:
        tell("run-timed-out", RunTimedOut{"too long"});
        return;
      default:
        process_event();
    }
  }

  void process_event() {
    if (world_.spawn_asked) {
      world_.spawn_asked = false;
      if (one_of(4) == 0) {
        tell("spawn-failed", SpawnFailed{"exec"});
      } else {
        world_.alive = true;
        tell("spawned", Spawned{++world_.generation});
      }
    } else if (world_.alive && one_of(3) == 0) {
      tell("ready", Ready{});
    } else if (world_.alive) {
      world_.alive = false;
      const ExitStatus::Kind kind =
          one_of(2) == 0 ? ExitStatus::Kind::exited : ExitStatus::Kind::signalled;
      tell("exited", Exited{{kind, one_of(3), false}});
    } else if (world_.stop_asked) {
      world_.stop_asked = false;
      if (one_of(5) == 0) {
        world_.survivors = true;
        tell("stop-failed", StopFailed{"pid 7"});
      } else {
        world_.survivors = false;
        tell("stop-finished", StopFinished{});
      }
    }
  }

  void replace() {
    const bool was_alive = world_.alive;
    world_.alive = true;
    if (tell("replaced", Replaced{world_.generation + 1}).ignored) {
      world_.alive = was_alive;
    } else {
      ++world_.generation;
    }
  }

  // What is wrong, or nullptr. Plain tests: an assertion of the framework costs more than a step.
  [[nodiscard]] const char* fault() const {
    const InstanceFsm::Snapshot& now = fsm_.snapshot();
    const InstanceState state = now.state;
    const bool later = state == InstanceState::waiting_restart || state == InstanceState::errored ||
                       state == InstanceState::idle;
    const bool exists = world_.alive || world_.spawn_asked;
    if (world_.fault != nullptr) return world_.fault;
    if (state == InstanceState::online && !world_.alive) return "online without a process";
    if (state == InstanceState::launching && !exists) return "launching nothing";
    if (state == InstanceState::stopping && !world_.stop_asked && !world_.spawn_asked)
      return "stopping nothing";
    if (state == InstanceState::stopped && world_.alive) return "stopped with a process";
    if (state == InstanceState::waiting_restart && !world_.restart_timer)
      return "waits without a timer";
    if (state == InstanceState::idle && !scheduled_ && !world_.awaiting && !world_.restart_timer)
      return "waits for nobody";
    if (world_.ready_timer != (state == InstanceState::launching && !now.spawn_pending))
      return "ready timer";
    if (world_.restart_timer && !later) return "restart timer left behind";
    if (world_.awaiting && state != InstanceState::idle) return "awaits a connection";
    if (refused_) return "an operator was refused";
    return nullptr;
  }

  std::mt19937 random_;
  bool scheduled_;
  InstanceFsm fsm_;
  World world_;
  TimePoint now_{};
  std::string history_;
  bool refused_ = false;
};

InstanceFsmSettings settings_of(std::uint32_t seed) {
  InstanceFsmSettings settings;
  settings.ready_required = (seed & 1) != 0;
  settings.ready_timeout_fails = (seed & 2) != 0;
  settings.start_on_connection = (seed & 4) != 0;
  if ((seed & 8) != 0) settings.restart.mode = RestartMode::on_failure;
  if ((seed & 16) != 0) settings.restart.retry_after = 5s;
  if ((seed & 32) != 0) settings.restart.restart_delay = 100ms;
  if ((seed & 256) != 0 && !settings.start_on_connection) {
    JobSpec& job = settings.job.emplace();
    if ((seed & 512) != 0) job.schedule = "0 12 * * *";
    job.overlap = static_cast<Overlap>(seed / 1024 % 3);
    job.retries = static_cast<int>(seed / 4096 % 3);
  }
  settings.restart.max_restarts = 1 + static_cast<int>(seed / 64 % 4);
  return settings;
}

}  // namespace

TEST_CASE("random walks") {
  const int count = walks();
  for (int seed = 0; seed < count; ++seed) {
    Walk walk(static_cast<std::uint32_t>(seed), settings_of(static_cast<std::uint32_t>(seed)));
    INFO("seed ", seed);
    walk.run();
  }
}

}  // namespace pmx
