// Instance: what outlives the daemon, and how the next one takes it up.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "common/model/door.h"
#include "daemon/runtime/checks.h"
#include "daemon/runtime/instance.h"
#include "daemon/runtime/stopper.h"

namespace pmx {
namespace {

TimePoint earlier(const Clock& clock, WallMillis then) {
  return clock.now() - std::chrono::milliseconds(std::max<WallMillis>(0, clock.wall_now() - then));
}

WallMillis wall_time(const Clock& clock, TimePoint at) {
  return clock.wall_now() + std::chrono::floor<Millis>(at - clock.now()).count();
}

Millis longest_wait(const AppSpec& spec) {
  return std::max({spec.restart_delay, spec.exp_backoff_restart_delay, spec.max_backoff,
                   spec.retry_after, spec.job ? spec.job->retry_delay : Millis{0},
                   kSpawnRetryDelay});
}

}  // namespace

void Instance::record() {
  const bool running = current_ && !current_->exited;
  if (frozen_) return;
  InstanceRecord record;
  record.pm_id = identity_.pm_id;
  record.app_id = identity_.app_id;
  record.number = identity_.number;
  record.unique_id = identity_.unique_id;
  record.wanted = fsm_.wants_running();
  record.by_operator = fsm_.snapshot().by_operator;
  record.state = fsm_.state();
  record.reason = fsm_.reason();
  record.restarts = fsm_.restarts();
  record.unstable_restarts = fsm_.unstable_restarts();
  record.backoff = fsm_.backoff();
  record.last_exit = fsm_.last_exit();
  record.created_at = identity_.created_at;
  record.started_at = started_at_;
  record.generation = generation_;
  for (const TimePoint at : fsm_.snapshot().history.granted)
    record.granted.push_back(wall_time(ports_.clock, at));
  if (const auto due = fsm_.snapshot().restart_due)
    record.restart_due = wall_time(ports_.clock, *due);
  record.run_waits = fsm_.snapshot().run_waits;
  if (settled_until_)
    record.settled = std::chrono::milliseconds(settled_until_->time_since_epoch()).count();
  if (running) {
    record.pid = current_->pid;
    record.start_time = current_->start_time;
    record.actions = current_->reports.report().actions;
  }
  record.boot_id = ports_.boot_id;
  ports_.store.put_instance(record);
  ports_.store.put_file(paths_.pid,
                        running ? std::optional(std::to_string(current_->pid)) : std::nullopt);
}

std::unique_ptr<Incarnation> Instance::adopt(AdoptedRun run) {
  auto incarnation = std::make_unique<Incarnation>();
  incarnation->run = run.run;
  incarnation->pid = run.process.pid;
  incarnation->start_time = run.process.start_time;
  if (run.note.size() >= 2) {
    incarnation->role = static_cast<Incarnation::Role>(run.note[0]);
    incarnation->ready = run.note[1] == '1';
  }
  ports_.processes.add_main(incarnation->pid);
  if (!run.exit) adopt_checks(*incarnation, std::move(run.process.notify));
  if (!run.exit && run.process.binds)
    incarnation->binds =
        ports_.binds.watch(std::move(run.process.binds), run.run, incarnation->pid);
  if (!run.exit)
    open_channel(*incarnation, std::move(run.process.channel), *spec_,
                 run.note.size() > 3 ? run.note.substr(3) : "");
  return incarnation;
}

void Instance::adopt_checks(Incarnation& incarnation, UniqueFd notify) {
  try {
    add_checks(incarnation, *spec_, environment(*spec_, incarnation.run.generation));
  } catch (const Error& error) {
    ports_.log(fmt::format("{} ({}): {}", spec_->name, identity_.pm_id, error.what()));
  }
  if (!incarnation.checks) return;
  incarnation.checks->begin(std::move(notify), incarnation.pid);
  if (!incarnation.ready) incarnation.checks->await_ready();
}

Instance::Next Instance::what_next(const InstanceRecord& record) const {
  if (record.state == InstanceState::idle) return Next::go_on;
  // A crash loop must not begin anew with each daemon.
  if (record.state == InstanceState::waiting_restart && record.boot_id == ports_.boot_id)
    return Next::go_on;
  if (!spec_->job) return Next::start;
  return record.state == InstanceState::launching ? Next::run_again : Next::lost;
}

void Instance::recover(const InstanceRecord& record, std::vector<AdoptedRun> runs) {
  generation_ = record.generation;
  for (const AdoptedRun& run : runs) generation_ = std::max(generation_, run.run.generation);
  ever_spawned_ = record.started_at != 0;
  started_at_ = record.started_at;

  // Of several live runs one is the instance's: the newest that was not a mere candidate. The
  // others are brought to their end.
  std::sort(runs.begin(), runs.end(), [](const AdoptedRun& a, const AdoptedRun& b) {
    return a.run.generation > b.run.generation;
  });
  std::optional<ProcessExit> missed;  // of the newest run: to be acted upon
  std::optional<ExitStatus> last_exit = record.last_exit;
  for (AdoptedRun& run : runs) {
    const RunId id = run.run;
    const std::optional<ProcessExit> exit = run.exit;
    const bool known = id.generation < record.generation ||
                       (id.generation == record.generation && record.pid == 0);
    std::unique_ptr<Incarnation> incarnation = adopt(std::move(run));
    const bool is_current = incarnation->role == Incarnation::Role::current && !current_;
    if (!exit && is_current) {
      current_ = std::move(incarnation);
    } else if (!exit) {
      set_role(*incarnation, Incarnation::Role::retiring);
      retire(std::move(incarnation), StopPurpose::retire);
    } else if (is_current && !known) {
      missed = exit;
      current_ = std::move(incarnation);
    } else {
      if (!known && incarnation->role == Incarnation::Role::current) last_exit = exit->status;
      ports_.processes.remove_main(incarnation->pid);
      ports_.listeners.leave(identity_.app_id, id);
      ports_.spawner.forget(id);
    }
  }
  if (!current_ && record.pid != 0 && record.boot_id == ports_.boot_id &&
      ports_.spawner.adopt_by_pid({identity_.pm_id, record.generation}, record.pid,
                                  record.start_time)) {
    current_ = adopt({{identity_.pm_id, record.generation},
                      {record.pid, record.start_time, {}, {}, {}},
                      "C1;",
                      {}});
  }

  // Only now: a process adopted by its pid alone brings its pipes, with what nobody has read yet.
  attach_logs();

  Next then = Next::go_on;
  InstanceFsm::Snapshot snapshot;
  snapshot.state = record.state;
  snapshot.reason = record.reason;
  snapshot.by_operator = record.by_operator;
  snapshot.restarts = record.restarts;
  snapshot.history = {record.unstable_restarts, record.backoff, {}};
  for (const WallMillis at : record.granted)
    snapshot.history.granted.push_back(earlier(ports_.clock, at));
  snapshot.run_waits = record.run_waits;
  if (record.settled)
    settled_until_.emplace(std::chrono::floor<std::chrono::seconds>(Millis{*record.settled}));
  snapshot.last_exit = last_exit;
  snapshot.generation = current_ ? current_->run.generation : record.generation;
  if (record.state == InstanceState::stopping && record.wanted) {
    snapshot.after_stop = InstanceFsm::AfterStop::restart;
  }
  // The wall clock may have been set since that was written.
  if (record.restart_due)
    snapshot.restart_due =
        ports_.clock.now() + std::clamp(Millis{*record.restart_due - ports_.clock.wall_now()},
                                        Millis{0}, longest_wait(*spec_));
  if (record.started_at != 0) snapshot.started_at = earlier(ports_.clock, record.started_at);
  if (current_) {
    if (current_->run.generation == record.generation) current_->reports.restore(record.actions);
    current_->started_at = record.started_at;
    current_->started = snapshot.started_at.value_or(ports_.clock.now());
    // A record that lags behind its process (the crash came before the write) is set right by the
    // process.
    if (current_->run.generation > record.generation && record.pid != 0) ++snapshot.restarts;
    if (snapshot.state != InstanceState::stopping) {
      const bool waits = fsm_settings().ready_required && !current_->ready &&
                         snapshot.state == InstanceState::launching;
      if (!waits) snapshot.state = InstanceState::online;
    }
  } else if (record.wanted) {
    then = what_next(record);
    switch (then) {
      case Next::go_on:
        break;
      case Next::start:
        snapshot.state = InstanceState::stopped;
        break;
      case Next::run_again:
        snapshot.state = InstanceState::idle;
        break;
      case Next::lost:
        snapshot.state = InstanceState::online;
        break;
    }
  } else if (snapshot.state == InstanceState::stopping) {
    snapshot.state = InstanceState::stopped;
    snapshot.reason = "stopped";
  }
  fsm_ = InstanceFsm::restore(fsm_settings(), std::move(snapshot));

  if (!current_) {
    switch (then) {
      case Next::go_on:
        for (const InstanceEffect& effect : fsm_.resume(ports_.clock.now()).effects)
          perform(effect);
        return;
      case Next::start:
        start();
        return;
      case Next::run_again:
        handle(RunDue{record.reason});
        return;
      case Next::lost:
        handle(Exited{ExitStatus{}});
        return;
    }
  }
  admit_if_online();
  update_upkeep();
  const InstanceStep step = fsm_.resume(ports_.clock.now());
  for (const InstanceEffect& effect : step.effects) perform(effect);
  const Door door = door_of(*spec_);
  const bool unheard = door == Door::seccomp && !current_->binds;
  if (missed) {
    exited(*missed);
  } else if (fsm_.state() == InstanceState::launching && (door == Door::node || unheard)) {
    // Its request for a listening socket may have died with the earlier daemon: it would wait for
    // ever, or fail.
    restart();
  } else if (unheard) {
    socket_problem(
        "keeper and daemon had both ended, and with them what answers its bind(): "
        "further ones fail until it is restarted or reloaded");
  }
}

}  // namespace pmx
