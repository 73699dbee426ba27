// StopSequence: the steps per app and purpose, and the walk through them.
#include "daemon/policy/stop_sequence.h"

#include <doctest/doctest.h>

#include <csignal>

using namespace pmx;
using namespace std::chrono_literals;
using Action = StopProgress::Action;
using Kind = StopStep::Kind;
using Steps = std::vector<StopStep>;

namespace {

constexpr StopStep kInterrupt{Kind::signal, SIGINT, true, 1600ms};
constexpr StopStep kKill{Kind::signal, SIGKILL, true, 5s};
constexpr StopStep kMessage{Kind::message, 0, false, 1600ms};
constexpr StopStep kDisconnect{Kind::disconnect, 0, false, 10s};

AppSpec node_worker() {
  AppSpec spec;
  spec.exec_mode = ExecMode::cluster;
  spec.interpreter = "node";
  return spec;
}

AppSpec with_message() {
  AppSpec spec = node_worker();
  spec.shutdown_with_message = true;
  return spec;
}

void check_performs(const StopProgress& progress, const StopStep& step) {
  CHECK(progress.action == Action::perform);
  CHECK(progress.step == step);
}

}  // namespace

TEST_CASE("steps") {
  const AppSpec plain = node_worker();
  CHECK(StopSequence(plain, StopPurpose::stop, false).steps() == Steps{kInterrupt, kKill});
  CHECK(StopSequence(plain, StopPurpose::stop, true).steps() == Steps{kInterrupt, kKill});
  CHECK(StopSequence(plain, StopPurpose::retire, true).steps() ==
        Steps{kDisconnect, kInterrupt, kKill});
  CHECK(StopSequence(plain, StopPurpose::retire, false).steps() == Steps{kInterrupt, kKill});

  // Trap 36: the message is honoured by a reload too.
  CHECK(StopSequence(with_message(), StopPurpose::stop, true).steps() == Steps{kMessage, kKill});
  CHECK(StopSequence(with_message(), StopPurpose::retire, true).steps() ==
        Steps{kDisconnect, kMessage, kKill});
  CHECK(StopSequence(with_message(), StopPurpose::stop, false).steps() == Steps{kInterrupt, kKill});

  AppSpec patient;
  patient.kill_timeout = 20s;
  patient.kill_mode = KillMode::leader;
  CHECK(StopSequence(patient, StopPurpose::stop, true).steps() ==
        Steps{{Kind::signal, SIGINT, false, 20s}, {Kind::signal, SIGKILL, false, 20s}});
}

TEST_CASE("other programs than Node drain without being told") {
  AppSpec python;
  python.interpreter = "python3";
  python.exec_mode = ExecMode::cluster;
  python.drain_timeout = 7s;
  const StopStep drain{Kind::drain, 0, false, 7s};
  CHECK(StopSequence(python, StopPurpose::retire, true).steps() == Steps{drain, kInterrupt, kKill});
  CHECK(StopSequence(python, StopPurpose::stop, true).steps() == Steps{kInterrupt, kKill});
  AppSpec declared;
  declared.listen = {"tcp:80"};
  CHECK(StopSequence(declared, StopPurpose::retire, true).steps().front().kind == Kind::drain);

  for (const StopEvent event : {StopEvent::drained, StopEvent::step_timed_out}) {
    StopSequence sequence(python, StopPurpose::retire, true);
    check_performs(sequence.begin(), drain);
    CHECK(sequence.on(StopEvent::channel_closed).action == Action::keep_wait);
    check_performs(sequence.on(event), kInterrupt);
    CHECK(sequence.on(StopEvent::drained).action == Action::keep_wait);
  }
  StopSequence dead(python, StopPurpose::retire, true);
  check_performs(dead.begin(), drain);
  check_performs(dead.on(StopEvent::main_exited), kInterrupt);
}

TEST_CASE("an app that ends in time gets one signal") {
  StopSequence sequence({}, StopPurpose::stop, false);
  const StopProgress first = sequence.begin();
  check_performs(first, kInterrupt);
  CHECK(first.reason == "SIGINT");
  CHECK(sequence.on(StopEvent::main_exited).action == Action::keep_wait);
  CHECK(sequence.on(StopEvent::tree_gone).action == Action::done);
  // Whatever comes late.
  CHECK(sequence.on(StopEvent::step_timed_out).action == Action::done);
  CHECK(sequence.on(StopEvent::main_exited).action == Action::done);
}

TEST_CASE("an app that does not listen is killed") {
  StopSequence sequence({}, StopPurpose::stop, false);
  sequence.begin();
  const StopProgress kill = sequence.on(StopEvent::step_timed_out);
  check_performs(kill, kKill);
  CHECK(kill.reason == "the main process is still there after 1600 ms; SIGKILL");
  CHECK(sequence.on(StopEvent::main_exited).action == Action::keep_wait);
  CHECK(sequence.on(StopEvent::tree_gone).action == Action::done);
}

TEST_CASE("survivors of SIGKILL are a failure") {
  StopSequence sequence({}, StopPurpose::stop, false);
  sequence.begin();
  SUBCASE("the main process") {
    sequence.on(StopEvent::step_timed_out);
    const StopProgress failed = sequence.on(StopEvent::step_timed_out);
    CHECK(failed.action == Action::failed);
    CHECK(failed.reason == "the main process is still there 5000 ms after SIGKILL");
    CHECK(sequence.on(StopEvent::tree_gone).action == Action::failed);
  }
  SUBCASE("children") {
    sequence.on(StopEvent::main_exited);
    const StopProgress kill = sequence.on(StopEvent::step_timed_out);
    check_performs(kill, kKill);
    CHECK(kill.reason == "children of the main process are still there after 1600 ms; SIGKILL");
    const StopProgress failed = sequence.on(StopEvent::step_timed_out);
    CHECK(failed.action == Action::failed);
    CHECK(failed.reason == "children of the main process are still there 5000 ms after SIGKILL");
  }
}

TEST_CASE("with treekill off the end of the main process is the end") {
  AppSpec spec = node_worker();
  spec.kill_mode = KillMode::leader;
  StopSequence sequence(spec, StopPurpose::stop, false);
  sequence.begin();
  CHECK(sequence.on(StopEvent::main_exited).action == Action::done);
}

TEST_CASE("a retired worker drains before it is signalled") {
  StopSequence sequence(node_worker(), StopPurpose::retire, true);
  check_performs(sequence.begin(), kDisconnect);
  SUBCASE("until it closes its channel") {
    const StopProgress drained = sequence.on(StopEvent::channel_closed);
    check_performs(drained, kInterrupt);
    CHECK(drained.reason == "drained: the worker closed its channel; SIGINT");
  }
  SUBCASE("at most for the drain timeout") {
    check_performs(sequence.on(StopEvent::step_timed_out), kInterrupt);
    CHECK(sequence.on(StopEvent::channel_closed).action == Action::keep_wait);
  }
  SUBCASE("or until it has ended: its children are signalled then") {
    const StopProgress next = sequence.on(StopEvent::main_exited);
    check_performs(next, kInterrupt);
    CHECK(next.reason == "the main process is gone, its tree may not be; SIGINT");
  }
  check_performs(sequence.on(StopEvent::step_timed_out), kKill);
}

TEST_CASE("the shutdown message needs the channel") {
  StopSequence sequence(with_message(), StopPurpose::retire, true);
  sequence.begin();
  SUBCASE("still open: message") {
    check_performs(sequence.on(StopEvent::step_timed_out), kMessage);
  }
  SUBCASE("told that it has finished: message") {
    const StopProgress drained = sequence.on(StopEvent::drained);
    check_performs(drained, kMessage);
    CHECK(drained.reason ==
          "drained: the worker has finished its connections; message \"shutdown\"");
    CHECK(sequence.on(StopEvent::drained).action == Action::keep_wait);
  }
  SUBCASE("closed: signal instead") {
    check_performs(sequence.on(StopEvent::channel_closed), kInterrupt);
  }
  SUBCASE("closed after the message: it is on its way out") {
    sequence.on(StopEvent::step_timed_out);
    CHECK(sequence.on(StopEvent::channel_closed).action == Action::keep_wait);
  }
  check_performs(sequence.on(StopEvent::step_timed_out), kKill);
}

TEST_CASE("events before the first step are answered") {
  StopSequence sequence(with_message(), StopPurpose::stop, true);
  CHECK(sequence.on(StopEvent::step_timed_out).action == Action::keep_wait);
  CHECK(sequence.on(StopEvent::channel_closed).action == Action::keep_wait);
  check_performs(sequence.begin(), kInterrupt);
  StopSequence gone({}, StopPurpose::stop, false);
  CHECK(gone.on(StopEvent::tree_gone).action == Action::done);
  CHECK(gone.begin().action == Action::done);
}
