// InstanceFsm: jobs. Their runs end, at their times and by themselves, and that is no crash.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "daemon/policy/instance_fsm.h"

using namespace pmx;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1000s};

// Answers what a runtime would: a process exists as soon as it is asked for, a stop succeeds at once.
struct Driver {
  InstanceFsm fsm;
  TimePoint now = kStart;
  Generation last = 0;
  int spawns = 0;
  bool ignored = false;

  explicit Driver(JobSpec job, std::vector<int> success_codes = {})
      : fsm({.restart = {.success_codes = std::move(success_codes)}, .job = std::move(job)}) {}

  void on(const InstanceEvent& event) {
    const InstanceStep step = fsm.on(event, now);
    ignored = step.ignored;
    for (const InstanceEffect& each : step.effects) {
      if (std::holds_alternative<effect::Spawn>(each)) {
        ++spawns;
        on(Spawned{++last});
      } else if (std::holds_alternative<effect::BeginStop>(each)) {
        on(Exited{{ExitStatus::Kind::signalled, 2, false}});
        on(StopFinished{});
      }
    }
  }
  void due() { on(RunDue{"run of noon"}); }
  void end(int code) { on(Exited{{ExitStatus::Kind::exited, code, false}}); }
  [[nodiscard]] InstanceState state() const { return fsm.state(); }
  [[nodiscard]] bool says(const std::string& text) const {
    return fsm.reason().find(text) != std::string::npos;
  }
};

JobSpec nightly() { return {.schedule = "0 3 * * *"}; }

}  // namespace

TEST_CASE("started, it waits for its time; what ends waits for the next") {
  Driver job(nightly());
  job.on(StartRequested{});
  CHECK(job.state() == InstanceState::idle);
  CHECK(job.fsm.wants_running());
  CHECK(job.spawns == 0);
  for (int run = 1; run < 50; ++run) {
    job.due();
    CHECK(job.state() == InstanceState::online);
    job.end(run % 2);
    CHECK(job.state() == InstanceState::idle);
    CHECK(job.spawns == run);
  }
  CHECK(job.fsm.restarts() == 0);
  CHECK(job.says("; failed after 1 try"));
  job.due();
  job.end(0);
  CHECK(job.says("; done"));
}

TEST_CASE("without a schedule: one run") {
  Driver job({.schedule = "", .retries = 1});
  job.on(StartRequested{});
  CHECK(job.state() == InstanceState::online);
  SUBCASE("that is done") {
    job.end(0);
    CHECK(job.state() == InstanceState::stopped);
    CHECK_FALSE(job.fsm.wants_running());
  }
  SUBCASE("that fails") {
    job.end(1);
    CHECK(job.state() == InstanceState::waiting_restart);
    CHECK(job.says("try 2 of 2 in "));
    job.on(RestartDue{});
    job.end(7);
    CHECK(job.state() == InstanceState::errored);
    CHECK(job.says("; failed after 2 tries"));
  }
}

TEST_CASE("codes of success") {
  Driver job({}, {3});
  job.on(StartRequested{});
  job.end(3);
  CHECK(job.state() == InstanceState::stopped);
}

TEST_CASE("what the operator has stopped stays so") {
  Driver job(nightly());
  job.on(StartRequested{});
  job.on(StopRequested{});
  job.due();
  CHECK(job.ignored);
  CHECK(job.state() == InstanceState::stopped);
  job.on(StartRequested{});
  CHECK(job.state() == InstanceState::idle);
}

TEST_CASE("an operator's restart runs it now") {
  Driver job(nightly());
  job.on(StartRequested{});
  job.on(RestartRequested{});
  CHECK(job.state() == InstanceState::online);
  CHECK(job.spawns == 1);
}

TEST_CASE("a time that comes while a run goes on") {
  JobSpec spec = nightly();
  SUBCASE("is left out") {
    Driver job(spec);
    job.on(StartRequested{});
    job.due();
    job.due();
    CHECK(job.ignored);
    job.end(0);
    CHECK(job.state() == InstanceState::idle);
    CHECK(job.spawns == 1);
  }
  SUBCASE("waits; one at most") {
    spec.overlap = Overlap::queue;
    Driver job(spec);
    job.on(StartRequested{});
    job.due();
    job.due();
    CHECK_FALSE(job.ignored);
    job.due();
    CHECK(job.ignored);
    job.end(1);
    CHECK(job.state() == InstanceState::online);
    CHECK(job.says("the next run follows"));
    job.end(0);
    CHECK(job.state() == InstanceState::idle);
    CHECK(job.spawns == 2);
  }
  SUBCASE("takes its place") {
    spec.overlap = Overlap::replace;
    Driver job(spec);
    job.on(StartRequested{});
    job.due();
    job.due();
    CHECK(job.state() == InstanceState::online);
    CHECK(job.says("run of noon"));
    CHECK(job.spawns == 2);
  }
}

TEST_CASE("a timeout is a failure, however it ends") {
  JobSpec spec = nightly();
  spec.retries = 1;
  Driver job(spec);
  job.on(StartRequested{});
  job.due();
  job.on(RunTimedOut{"ran longer than 5 s (timeout)"});
  CHECK(job.state() == InstanceState::waiting_restart);
  CHECK(job.says("timeout"));
  job.on(RestartDue{});
  job.on(RunTimedOut{"ran longer than 5 s (timeout)"});
  CHECK(job.state() == InstanceState::idle);
  CHECK(job.says("failed after 2 tries"));
}

TEST_CASE("the next time takes the place of a retry, and begins to count anew") {
  JobSpec spec = nightly();
  spec.retries = 1;
  Driver job(spec);
  job.on(StartRequested{});
  job.due();
  job.end(1);
  CHECK(job.state() == InstanceState::waiting_restart);
  job.due();
  CHECK(job.state() == InstanceState::online);
  job.end(1);
  CHECK(job.state() == InstanceState::waiting_restart);
}

TEST_CASE("a run that cannot be started is a failed one") {
  Driver job(nightly());
  job.on(StartRequested{});
  const InstanceStep step = job.fsm.on(RunDue{"run of noon"}, job.now);
  CHECK_FALSE(step.ignored);
  job.on(SpawnFailed{"exec: no such file"});
  CHECK(job.state() == InstanceState::idle);
  CHECK(job.says("could not be started: exec: no such file; failed after 1 try"));
}
