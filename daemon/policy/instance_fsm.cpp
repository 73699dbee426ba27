// Longer than most files: one switch per event, naming every state, so that the compiler finds a
// hole.
#include "daemon/policy/instance_fsm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "daemon/policy/duration_text.h"

namespace pmx {
namespace {

using effect::ArmReadyTimer;
using effect::ArmRestartTimer;
using effect::AwaitConnection;
using effect::BeginStop;
using effect::CancelAwait;
using effect::CancelReadyTimer;
using effect::CancelRestartTimer;
using effect::Changed;
using effect::Spawn;
using effect::SweepLeftovers;

Millis remaining(TimePoint until, TimePoint now) {
  return std::max(Millis{0}, std::chrono::ceil<Millis>(until - now));
}

}  // namespace

InstanceFsmSettings InstanceFsmSettings::from(const AppSpec& spec) {
  const bool probed = !spec.ready.probe.empty();
  return {.restart = RestartSettings::from(spec),
          .ready_required = probed || spec.wait_ready || spec.exec_mode == ExecMode::cluster,
          .ready_timeout = probed ? spec.ready.timeout : spec.listen_timeout,
          .ready_timeout_fails = probed && spec.ready.on_timeout == ReadyTimeoutAction::fail,
          .start_on_connection = spec.start_on_connection,
          .job = spec.job};
}

InstanceFsm InstanceFsm::restore(InstanceFsmSettings settings, Snapshot snapshot) {
  InstanceFsm fsm(std::move(settings));
  fsm.now_ = std::move(snapshot);
  return fsm;
}

InstanceStep InstanceFsm::on(const InstanceEvent& event, TimePoint now) {
  return std::visit([&](const auto& alternative) { return on_event(alternative, now); }, event);
}

InstanceStep InstanceFsm::resume(TimePoint now) const {
  InstanceStep step{{}, "resumed: " + now_.reason, false};
  switch (phase()) {
    case Phase::launching:
      step.effects.emplace_back(
          ArmReadyTimer{remaining(now_.started_at.value_or(now) + settings_.ready_timeout, now)});
      break;
    case Phase::stopping:
      step.effects.emplace_back(BeginStop{});
      break;
    case Phase::waiting_restart:
      step.effects.emplace_back(ArmRestartTimer{remaining(now_.restart_due.value_or(now), now)});
      break;
    case Phase::idle:
      if (settings_.start_on_connection) step.effects.emplace_back(AwaitConnection{});
      break;
    case Phase::errored:
      if (now_.restart_due)
        step.effects.emplace_back(ArmRestartTimer{remaining(*now_.restart_due, now)});
      break;
    case Phase::stopped:
    case Phase::spawning:
    case Phase::online:
    case Phase::stopping_unborn:
      break;
  }
  return step;
}

void InstanceFsm::reset_counters() {
  now_.restarts = 0;
  now_.history = {};
}

bool InstanceFsm::wants_running() const noexcept {
  switch (now_.state) {
    case InstanceState::launching:
    case InstanceState::online:
    case InstanceState::waiting_restart:
    case InstanceState::idle:
      return true;
    case InstanceState::stopping:
      return now_.after_stop != AfterStop::stay_stopped;
    case InstanceState::stopped:
    case InstanceState::errored:
      break;
  }
  return false;
}

InstanceFsm::Phase InstanceFsm::phase() const noexcept {
  switch (now_.state) {
    case InstanceState::stopped:
      return Phase::stopped;
    case InstanceState::launching:
      return now_.spawn_pending ? Phase::spawning : Phase::launching;
    case InstanceState::online:
      return Phase::online;
    case InstanceState::stopping:
      return now_.spawn_pending ? Phase::stopping_unborn : Phase::stopping;
    case InstanceState::waiting_restart:
      return Phase::waiting_restart;
    case InstanceState::errored:
      return Phase::errored;
    case InstanceState::idle:
      return Phase::idle;
  }
  std::abort();
}

// --- What the operator asks for ---

InstanceStep InstanceFsm::on_event(const StartRequested&, TimePoint) {
  now_.history = {};
  now_.by_operator = false;
  switch (phase()) {
    case Phase::stopped:
      return begin("started by the operator", {});
    case Phase::errored:
      if (now_.survivors)
        return begin_stop("start requested: first ending the survivors", {}, AfterStop::start);
      return begin("started by the operator", {});
    case Phase::idle:
      return begin("started by the operator", {CancelRestartTimer{}, CancelAwait{}});
    case Phase::waiting_restart:
      ++now_.restarts;
      return launch("start requested: no longer waiting", {CancelRestartTimer{}}, false);
    case Phase::stopping_unborn:
    case Phase::stopping:
      // A restart asked for earlier includes the start.
      return set_after_stop(
          now_.after_stop == AfterStop::restart ? AfterStop::restart : AfterStop::start,
          "start requested while stopping");
    case Phase::spawning:
    case Phase::launching:
    case Phase::online:
      return {{Changed{}}, fmt::format("already {}", to_string(now_.state)), false};
  }
  std::abort();
}

InstanceStep InstanceFsm::on_event(const StopRequested&, TimePoint) {
  now_.history = {};
  now_.by_operator = true;
  switch (phase()) {
    case Phase::stopped:
      return {{Changed{}}, "already stopped", false};
    case Phase::errored:
      if (now_.survivors)
        return begin_stop("stop requested: ending the survivors", {}, AfterStop::stay_stopped);
      return enter(InstanceState::stopped, "stopped by the operator", {});
    case Phase::waiting_restart:
      return enter(InstanceState::stopped, "stopped by the operator while waiting to restart",
                   {CancelRestartTimer{}});
    case Phase::idle:
      return enter(InstanceState::stopped, "stopped by the operator",
                   {CancelRestartTimer{}, CancelAwait{}});
    case Phase::spawning:
      return enter(InstanceState::stopping, "stop requested before the process exists", {});
    case Phase::launching:
      return begin_stop("stop requested while launching", {CancelReadyTimer{}},
                        AfterStop::stay_stopped);
    case Phase::online:
      return begin_stop("stop requested", {}, AfterStop::stay_stopped);
    case Phase::stopping_unborn:
    case Phase::stopping:
      return set_after_stop(AfterStop::stay_stopped, "stop requested while stopping");
  }
  std::abort();
}

InstanceStep InstanceFsm::on_event(const RestartRequested&, TimePoint) {
  now_.history = {};
  now_.by_operator = false;
  switch (phase()) {
    case Phase::stopped:
      return begin("started by the operator (restart of a stopped app)", {});
    case Phase::errored:
      if (now_.survivors)
        return begin_stop("restart requested: first ending the survivors", {}, AfterStop::start);
      return begin("started by the operator (restart of an errored app)", {});
    case Phase::waiting_restart:
      ++now_.restarts;
      return launch("restart requested: no longer waiting", {CancelRestartTimer{}}, false);
    case Phase::idle:
      return launch(has_schedule() ? "run requested by the operator"
                                   : "restart requested: not waiting for a connection",
                    {CancelRestartTimer{}, CancelAwait{}}, false);
    case Phase::spawning:
      now_.after_stop = AfterStop::restart;
      return enter(InstanceState::stopping, "restart requested before the process exists", {});
    case Phase::launching:
      return begin_stop("restart requested while launching", {CancelReadyTimer{}},
                        AfterStop::restart);
    case Phase::online:
      return begin_stop("restart requested", {}, AfterStop::restart);
    case Phase::stopping_unborn:
    case Phase::stopping:
      return set_after_stop(AfterStop::restart, "restart requested while stopping");
  }
  std::abort();
}

// --- What becomes of a process ---

InstanceStep InstanceFsm::on_event(const Spawned& event, TimePoint now) {
  switch (phase()) {
    case Phase::spawning:
    case Phase::stopping_unborn:
      break;
    case Phase::stopped:
    case Phase::launching:
    case Phase::online:
    case Phase::stopping:
    case Phase::waiting_restart:
    case Phase::errored:
    case Phase::idle:
      return ignore("spawn report");
  }
  now_.spawn_pending = false;
  now_.generation = event.generation;
  now_.started_at = now;
  if (now_.state == InstanceState::stopping) return begin_stop(now_.reason, {}, now_.after_stop);
  if (!settings_.ready_required) return enter(InstanceState::online, now_.reason, {});
  return enter(InstanceState::launching, now_.reason + "; waiting for it to be ready", {},
               {ArmReadyTimer{settings_.ready_timeout}});
}

InstanceStep InstanceFsm::on_event(const SpawnFailed& event, TimePoint now) {
  switch (phase()) {
    case Phase::spawning:
      now_.spawn_pending = false;
      if (settings_.job && (now_.spawn_automatic || has_schedule()))
        return end_run(false, "could not be started: " + event.text, {}, now);
      if (now_.spawn_automatic) {
        return apply(decide_after_spawn_failure(settings_.restart, now_.history, event.text, now),
                     {}, now);
      }
      return enter(InstanceState::errored, "could not be started: " + event.text, {});
    case Phase::stopping_unborn:
      now_.spawn_pending = false;
      now_.reason += "; the start under way failed: " + event.text;
      return follow_stop(now);
    case Phase::idle:
      return enter(InstanceState::errored, "cannot wait for a connection: " + event.text, {});
    case Phase::stopped:
    case Phase::launching:
    case Phase::online:
    case Phase::stopping:
    case Phase::waiting_restart:
    case Phase::errored:
      return ignore("spawn failure");
  }
  std::abort();
}

InstanceStep InstanceFsm::on_event(const Ready&, TimePoint) {
  switch (phase()) {
    case Phase::launching:
      return enter(InstanceState::online, "ready", {CancelReadyTimer{}});
    case Phase::stopped:
    case Phase::spawning:
    case Phase::online:
    case Phase::stopping_unborn:
    case Phase::stopping:
    case Phase::waiting_restart:
    case Phase::errored:
    case Phase::idle:
      return ignore("ready signal");
  }
  std::abort();
}

InstanceStep InstanceFsm::on_event(const ReadyTimedOut& event, TimePoint) {
  switch (phase()) {
    case Phase::launching:
      if (settings_.ready_timeout_fails)
        return begin_stop(fmt::format("not ready within {}{}{}", exactly(settings_.ready_timeout),
                                      event.why.empty() ? "" : ": ", event.why),
                          {}, AfterStop::decide);
      return enter(InstanceState::online,
                   fmt::format("no ready signal within {}; counted as online, as pm2 does",
                               exactly(settings_.ready_timeout)),
                   {});
    case Phase::stopped:
    case Phase::spawning:
    case Phase::online:
    case Phase::stopping_unborn:
    case Phase::stopping:
    case Phase::waiting_restart:
    case Phase::errored:
    case Phase::idle:
      return ignore("ready timeout");
  }
  std::abort();
}

InstanceStep InstanceFsm::on_event(const Exited& event, TimePoint now) {
  const Duration uptime = std::max(Duration{0}, now - now_.started_at.value_or(now));
  switch (phase()) {
    case Phase::launching:
      now_.last_exit = event.status;
      if (settings_.job)
        return end_run(ended_well(settings_.restart, event.status), event.status.describe(),
                       {CancelReadyTimer{}, SweepLeftovers{}}, now);
      return apply(decide(settings_.restart, now_.history, event.status, uptime, now),
                   {CancelReadyTimer{}, SweepLeftovers{}}, now);
    case Phase::online:
      now_.last_exit = event.status;
      if (settings_.job)
        return end_run(ended_well(settings_.restart, event.status),
                       fmt::format("{} after {}", event.status.describe(), about(uptime)),
                       {SweepLeftovers{}}, now);
      return apply(decide(settings_.restart, now_.history, event.status, uptime, now),
                   {SweepLeftovers{}}, now);
    case Phase::stopping:
      now_.last_exit = event.status;
      now_.reason += "; " + event.status.describe();
      return {{Changed{}}, now_.reason, false};
    case Phase::errored:
      if (!now_.survivors) return ignore("exit");
      now_.last_exit = event.status;
      now_.reason += "; since then: " + event.status.describe();
      return {{Changed{}}, now_.reason, false};
    case Phase::stopped:
    case Phase::spawning:
    case Phase::stopping_unborn:
    case Phase::waiting_restart:
    case Phase::idle:
      return ignore("exit");
  }
  std::abort();
}

InstanceStep InstanceFsm::on_event(const StopFinished&, TimePoint now) {
  switch (phase()) {
    case Phase::stopping:
      return follow_stop(now);
    case Phase::errored:
      if (!now_.survivors) return ignore("end of a stop");
      return enter(InstanceState::stopped, "the processes that survived the stop are gone", {});
    case Phase::stopped:
    case Phase::spawning:
    case Phase::launching:
    case Phase::online:
    case Phase::stopping_unborn:
    case Phase::waiting_restart:
    case Phase::idle:
      return ignore("end of a stop");
  }
  std::abort();
}

InstanceStep InstanceFsm::on_event(const StopFailed& event, TimePoint) {
  switch (phase()) {
    case Phase::stopping: {
      InstanceStep step = enter(InstanceState::errored, "could not be stopped: " + event.text, {});
      now_.survivors = true;
      return step;
    }
    case Phase::stopped:
    case Phase::spawning:
    case Phase::launching:
    case Phase::online:
    case Phase::stopping_unborn:
    case Phase::waiting_restart:
    case Phase::errored:
    case Phase::idle:
      return ignore("failure of a stop");
  }
  std::abort();
}

InstanceStep InstanceFsm::on_event(const RestartDue&, TimePoint) {
  switch (phase()) {
    case Phase::waiting_restart:
      ++now_.restarts;
      return launch("restarted: " + now_.reason, {}, true);
    case Phase::idle:
      return {{AwaitConnection{}}, now_.reason, false};
    case Phase::errored:
      if (!now_.restart_due) return ignore("restart timer");
      ++now_.restarts;
      return launch("tried again: " + now_.reason, {}, true);
    case Phase::stopped:
    case Phase::spawning:
    case Phase::launching:
    case Phase::online:
    case Phase::stopping_unborn:
    case Phase::stopping:
      return ignore("restart timer");
  }
  std::abort();
}

InstanceStep InstanceFsm::on_event(const Connected&, TimePoint) {
  switch (phase()) {
    case Phase::idle:
      return launch("started by a connection", {}, true);
    case Phase::stopped:
    case Phase::spawning:
    case Phase::launching:
    case Phase::online:
    case Phase::stopping_unborn:
    case Phase::stopping:
    case Phase::waiting_restart:
    case Phase::errored:
      return ignore("connection");
  }
  std::abort();
}

InstanceStep InstanceFsm::on_event(const RestartScheduled& event, TimePoint) {
  switch (phase()) {
    case Phase::launching:
      return begin_stop(event.why, {CancelReadyTimer{}}, AfterStop::restart);
    case Phase::online:
      return begin_stop(event.why, {}, AfterStop::restart);
    case Phase::stopped:
    case Phase::errored:
      if (!event.revive || now_.by_operator || now_.survivors) return ignore("scheduled restart");
      now_.history = {};
      return launch("started: " + event.why, {}, false);
    case Phase::waiting_restart:
      if (!event.revive) return ignore("scheduled restart");
      now_.history = {};
      ++now_.restarts;
      return launch("restarted: " + event.why, {CancelRestartTimer{}}, false);
    case Phase::spawning:
    case Phase::stopping_unborn:
    case Phase::stopping:
    case Phase::idle:
      return ignore("scheduled restart");
  }
  std::abort();
}

InstanceStep InstanceFsm::on_event(const RunDue& event, TimePoint) {
  if (!settings_.job) return ignore("due run");
  switch (phase()) {
    case Phase::idle:
      now_.history = {};
      return launch(event.what, {}, false);
    case Phase::waiting_restart:
      now_.history = {};
      return launch(event.what, {CancelRestartTimer{}}, false);
    case Phase::errored:
      if (now_.survivors) return ignore("due run");
      now_.history = {};
      return launch(event.what, {}, false);
    case Phase::stopped:
      return ignore("due run");
    case Phase::stopping_unborn:
    case Phase::stopping:
      if (now_.after_stop == AfterStop::stay_stopped) return ignore("due run");
      break;
    case Phase::spawning:
    case Phase::launching:
    case Phase::online:
      break;
  }
  if (settings_.job->overlap == Overlap::skip || now_.run_waits)
    return ignore(fmt::format("{}: the one before has not ended", event.what));
  if (settings_.job->overlap == Overlap::replace && phase() == Phase::online)
    return begin_stop("stopped for the " + event.what, {}, AfterStop::start);
  now_.run_waits = true;
  return {{Changed{}}, event.what + " waits for the one before to end", false};
}

InstanceStep InstanceFsm::on_event(const RunTimedOut& event, TimePoint) {
  if (phase() != Phase::online) return ignore("timeout of a run");
  return begin_stop(event.why, {}, AfterStop::decide);
}

InstanceStep InstanceFsm::on_event(const Replaced& event, TimePoint now) {
  switch (phase()) {
    case Phase::launching:
      return replace(event, {CancelReadyTimer{}}, now);
    case Phase::online:
      return replace(event, {}, now);
    case Phase::waiting_restart:
      return replace(event, {CancelRestartTimer{}}, now);
    case Phase::errored:
      if (now_.survivors) return ignore("reload");
      return replace(event, {}, now);
    case Phase::stopped:
    case Phase::spawning:
    case Phase::stopping_unborn:
    case Phase::stopping:
    case Phase::idle:
      return ignore("reload");
  }
  std::abort();
}

// --- Transitions ---

InstanceStep InstanceFsm::enter(InstanceState state, std::string reason,
                                std::vector<InstanceEffect> before,
                                std::vector<InstanceEffect> after) {
  // That an errored instance would be tried again later is settled by whatever comes before.
  if (now_.state == InstanceState::errored && now_.restart_due)
    before.emplace_back(CancelRestartTimer{});
  now_.state = state;
  now_.reason = std::move(reason);
  now_.survivors = false;
  if (state != InstanceState::stopping) now_.after_stop = AfterStop::stay_stopped;
  now_.restart_due.reset();
  before.emplace_back(Changed{});
  std::ranges::move(after, std::back_inserter(before));
  return {std::move(before), now_.reason, false};
}

InstanceStep InstanceFsm::launch(std::string reason, std::vector<InstanceEffect> before,
                                 bool automatic) {
  now_.spawn_pending = true;
  now_.spawn_automatic = automatic;
  now_.run_waits = false;
  return enter(InstanceState::launching, std::move(reason), std::move(before), {Spawn{}});
}

InstanceStep InstanceFsm::begin(std::string reason, std::vector<InstanceEffect> before) {
  if (has_schedule())
    return enter(InstanceState::idle, std::move(reason) + "; runs at its times", std::move(before));
  if (!settings_.start_on_connection) return launch(std::move(reason), std::move(before), false);
  return wait_for_connection(std::move(reason), std::move(before), Millis{0});
}

InstanceStep InstanceFsm::wait_for_connection(std::string reason,
                                              std::vector<InstanceEffect> before, Millis delay) {
  InstanceEffect wait = AwaitConnection{};
  if (delay > Millis{0}) wait = ArmRestartTimer{delay};
  return enter(InstanceState::idle, std::move(reason) + "; the first connection starts it",
               std::move(before), {std::move(wait)});
}

InstanceStep InstanceFsm::begin_stop(std::string reason, std::vector<InstanceEffect> before,
                                     AfterStop after_stop) {
  now_.after_stop = after_stop;
  return enter(InstanceState::stopping, std::move(reason), std::move(before), {BeginStop{}});
}

InstanceStep InstanceFsm::set_after_stop(AfterStop after_stop, std::string reason) {
  now_.after_stop = after_stop;
  now_.reason = std::move(reason);
  return {{Changed{}}, now_.reason, false};
}

InstanceStep InstanceFsm::follow_stop(TimePoint now) {
  switch (now_.after_stop) {
    case AfterStop::stay_stopped:
      return enter(InstanceState::stopped, "stopped: " + now_.reason, {});
    case AfterStop::start:
      return launch("started: " + now_.reason, {}, false);
    case AfterStop::restart:
      ++now_.restarts;
      return launch("restarted: " + now_.reason, {}, false);
    case AfterStop::decide:
      if (settings_.job) return end_run(false, now_.reason, {}, now);
      return apply(decide_after_not_ready(settings_.restart, now_.history, now_.reason, now), {},
                   now);
  }
  std::abort();
}

InstanceStep InstanceFsm::replace(const Replaced& event, std::vector<InstanceEffect> before,
                                  TimePoint now) {
  now_.generation = event.generation;
  now_.started_at = now;
  now_.history = {};
  ++now_.restarts;
  return enter(
      InstanceState::online,
      event.why.empty() ? "reloaded: a ready successor has taken over" : "replaced: " + event.why,
      std::move(before));
}

InstanceStep InstanceFsm::end_run(bool well, const std::string& what,
                                  std::vector<InstanceEffect> before, TimePoint now) {
  if (now_.run_waits) {
    now_.history = {};
    return launch(what + "; the next run follows", std::move(before), false);
  }
  RestartDecision decision = decide_after_run(*settings_.job, now_.history, well, what);
  if (has_schedule() && decision.action != RestartDecision::Action::restart)
    return enter(InstanceState::idle, std::move(decision.reason), std::move(before));
  return apply(std::move(decision), std::move(before), now);
}

InstanceStep InstanceFsm::apply(RestartDecision decision, std::vector<InstanceEffect> before,
                                TimePoint now) {
  switch (decision.action) {
    case RestartDecision::Action::restart: {
      if (decision.delay == Millis{0}) {
        ++now_.restarts;
        return launch(std::move(decision.reason), std::move(before), true);
      }
      InstanceStep step = enter(InstanceState::waiting_restart, std::move(decision.reason),
                                std::move(before), {ArmRestartTimer{decision.delay}});
      now_.restart_due = now + decision.delay;
      return step;
    }
    case RestartDecision::Action::stay_stopped:
      if (settings_.start_on_connection)
        return wait_for_connection(
            std::move(decision.reason), std::move(before),
            remaining(now_.started_at.value_or(now) + settings_.restart.min_uptime, now));
      return enter(InstanceState::stopped, std::move(decision.reason), std::move(before));
    case RestartDecision::Action::give_up: {
      if (decision.delay == Millis{0})
        return enter(InstanceState::errored, std::move(decision.reason), std::move(before));
      InstanceStep step = enter(InstanceState::errored, std::move(decision.reason),
                                std::move(before), {ArmRestartTimer{decision.delay}});
      now_.restart_due = now + decision.delay;
      return step;
    }
  }
  std::abort();
}

InstanceStep InstanceFsm::ignore(std::string_view event) const {
  return {{},
          fmt::format("{} ignored: {}{}", event, to_string(now_.state),
                      now_.spawn_pending ? ", no process yet" : ""),
          true};
}

}  // namespace pmx
