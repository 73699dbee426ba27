// Instance: what outlives the daemon, and how the next one takes it up.
#include <algorithm>
#include <string>
#include <utility>

#include "common/model/door.h"
#include "daemon/runtime/instance.h"
#include "daemon/runtime/stopper.h"

namespace pmx {
namespace {

TimePoint earlier(const Clock& clock, WallMillis then) {
  return clock.now() - std::chrono::milliseconds(std::max<WallMillis>(0, clock.wall_now() - then));
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
  if (running) {
    record.pid = current_->pid;
    record.start_time = current_->start_time;
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
  if (!run.exit)
    open_channel(*incarnation, std::move(run.process.channel), *spec_,
                 run.note.size() > 3 ? run.note.substr(3) : "");
  return incarnation;
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
    current_ = adopt(
        {{identity_.pm_id, record.generation}, {record.pid, record.start_time, {}}, "C1;", {}});
  }

  // Only now: a process adopted by its pid alone brings its pipes, with what nobody has read yet.
  attach_logs();

  InstanceFsm::Snapshot snapshot;
  snapshot.state = record.state;
  snapshot.reason = record.reason;
  snapshot.by_operator = record.by_operator;
  snapshot.restarts = record.restarts;
  snapshot.history = {record.unstable_restarts, record.backoff};
  snapshot.last_exit = last_exit;
  snapshot.generation = current_ ? current_->run.generation : record.generation;
  if (record.state == InstanceState::stopping && record.wanted) {
    snapshot.after_stop = InstanceFsm::AfterStop::restart;
  }
  if (record.state == InstanceState::errored && spec_->retry_after > Millis{0})
    snapshot.restart_due = ports_.clock.now() + spec_->retry_after;
  if (record.started_at != 0) snapshot.started_at = earlier(ports_.clock, record.started_at);
  if (current_) {
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
    // Nothing is left of it: a reboot, or everything was killed. It starts like a stopped one.
    snapshot.state = InstanceState::stopped;
  } else if (snapshot.state == InstanceState::stopping) {
    snapshot.state = InstanceState::stopped;
    snapshot.reason = "stopped";
  }
  fsm_ = InstanceFsm::restore(fsm_settings(), std::move(snapshot));

  if (!current_) {
    if (record.wanted) {
      start();
    } else {
      for (const InstanceEffect& effect : fsm_.resume(ports_.clock.now()).effects) perform(effect);
    }
    return;
  }
  admit_if_online();
  update_upkeep();
  const InstanceStep step = fsm_.resume(ports_.clock.now());
  for (const InstanceEffect& effect : step.effects) perform(effect);
  if (missed) {
    exited(*missed);
  } else if (fsm_.state() == InstanceState::launching && door_of(*spec_) == Door::node) {
    // Its request for a listening socket may have died with the earlier daemon: it would wait for ever.
    restart();
  }
}

}  // namespace pmx
