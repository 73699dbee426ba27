// InstanceFsm: the life of one instance as a pure state machine. Events and the time in, effects
// and a reason out; no I/O, no clock.
//
// States are pm2's. Two of them have a first half in which the answer to a Spawn is still
// outstanding and no process is known yet, marked * below: `launching*` (a start was asked for) and
// `stopping*` (it was asked for, and then a stop: what is born must go). `online` is reached by
// Spawned at once, or, when readiness is required, by Ready or after ready_timeout, unless that is a
// failure.
//
// Operator events (StartRequested, StopRequested, RestartRequested) are never refused and always
// begin a new restart history. While stopping they only change what follows the stop, so the last
// one wins: stay stopped, start, or restart. The end of a run nobody asked for goes to
// RestartPolicy: restart at once, wait, stay stopped, or give up as errored. What is left of the
// old process tree is swept before the next start. `errored` after StopFailed remembers that
// survivors exist: then a start first stops again, so that an app never runs twice.
//
// What each event does ("-" = ignored, with a reason):
//
// clang-format off
//                   stopped   launching*  launching  online    stopping*    stopping     waiting    errored     idle
// StartRequested    launch*   already     already    already   then start   then start   launch*    launch* (1) await
// StopRequested     already   stopping*   stop       stop      then stay    then stay    stopped    stopped (2) stopped
// RestartRequested  launch*   stopping*   stop (3)   stop (3)  then restart then restart launch*    launch* (1) launch*
// Spawned           -         online (4)  -          -         stop         -            -          -           -
// SpawnFailed       -         errored (5) -          -         follow       -            -          -           errored
// Ready             -         -           online     -         -            -            -          -           -
// ReadyTimedOut     -         -           online(10) -         -            -            -          -           -
// Exited            -         -           policy     policy    -            noted        -          noted (6)   -
// StopFinished      -         -           -          -         -            follow       -          stopped (6) -
// StopFailed        -         -           -          -         -            errored      -          -           -
// RestartDue        -         -           -          -         -            -            launch*    launch* (9) await
// Connected         -         -           -          -         -            -            -          -           launch*
// RestartScheduled  (8)       -           stop (3)   stop (3)  -            -            (8)        launch* (8) -
// RunDue            -         (11)        (11)       (11)      (11)         (11)         launch*    launch* (13) launch*
// RunTimedOut       -         -           -          stop (12) -            -            -          -           -
// Replaced          -         -           online     online    -            -            online     online (7)  -
//
// stop    = BeginStop, state stopping.    launch* = Spawn, state launching*.
// follow  = what was asked to come after the stop: stopped, or launch*.
// (1) with survivors: stop, then start
// (2) with survivors: stop again
// (3) then restart
// (4) or launching, when readiness is required
// (5) after an automatic restart: policy, as a binary may be missing while it is replaced
// (6) only with survivors, else "-"
// (7) only without survivors, else "-"
// (8) launch* if it revives, unless the operator has stopped it or survivors exist, else "-"
// (9) with retry_after, else "-"
// (10) with ready_timeout_fails: stop, then policy as for an unstable run; the last word of an operator meanwhile wins
// (11) by the job's overlap: ignored, or noted and begun after the present run, which is stopped for it; ignored in
//      a stop that the operator wants to stay
// (12) then policy as for a failed run
// (13) without survivors, else "-"
//
// With start_on_connection, launch* of what is stopped or errored is idle instead, also of idle at
// StartRequested, and so is the stopped that RestartPolicy decides on: that awaits connections at the earliest min_uptime after the last
// start, so that a program that ends without taking one does not run in a circle.
// clang-format on
//
// A job's run that ends by itself goes to decide_after_run: one that is due by then starts at once, a failed one is
// tried again like a crash that waits, and what is done or given up for this time is idle, if the job has a schedule
// (launch* of a stop's end, too, is a run that was asked for), else stopped or errored.
//
// Restarts are counted when the new process is asked for: automatic ones (also when the operator
// cuts the waiting short), and restarts of a running app, and reloads; never the start of a stopped
// or errored one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/model/exit_status.h"
#include "common/model/instance_status.h"
#include "daemon/policy/instance_events.h"
#include "daemon/policy/restart_policy.h"

namespace pmx {

struct InstanceFsmSettings {
  RestartSettings restart;
  bool ready_required = false;  // cluster, wait_ready or a probe
  Millis ready_timeout = AppSpec::kDefaultListenTimeout;
  bool ready_timeout_fails = false;
  bool start_on_connection = false;
  std::optional<JobSpec> job = {};

  static InstanceFsmSettings from(const AppSpec& spec);
};

class InstanceFsm {
 public:
  // What follows a stop.
  enum class AfterStop {
    stay_stopped,
    start,
    restart,
    decide,  // it was not ready in time: what RestartPolicy says
  };

  // Everything that must outlive the daemon. A default one is a new instance that has never run.
  struct Snapshot {
    InstanceState state = InstanceState::stopped;
    bool spawn_pending = false;    // the answer to Spawn is outstanding: the states marked *
    bool spawn_automatic = false;  // and it was asked for by RestartPolicy
    bool survivors = false;        // errored by StopFailed
    bool by_operator = false;      // stopped by the operator, not by its own end
    AfterStop after_stop = AfterStop::stay_stopped;
    std::string reason = {};
    int restarts = 0;
    RestartHistory history = {};
    std::optional<ExitStatus> last_exit = {};
    bool run_waits = false;  // of a job, for the end of the present one
    Generation generation = 0;
    std::optional<TimePoint> started_at = {};   // of the last process
    std::optional<TimePoint> restart_due = {};  // waiting_restart

    friend bool operator==(const Snapshot&, const Snapshot&) = default;
  };

  explicit InstanceFsm(InstanceFsmSettings settings) : settings_(std::move(settings)) {}
  // For adoption. The caller then performs resume() and reports what has happened meanwhile as
  // ordinary events.
  static InstanceFsm restore(InstanceFsmSettings settings, Snapshot snapshot);

  // Total: every event is answered in every state.
  InstanceStep on(const InstanceEvent& event, TimePoint now);
  // After restore: the effects that were under way, with what is left of their delays. A pending
  // Spawn is not repeated.
  [[nodiscard]] InstanceStep resume(TimePoint now) const;

  // For a changed AppSpec; from the next event on.
  void set_settings(InstanceFsmSettings settings) { settings_ = std::move(settings); }
  // `pmx reset`: restart counts and back-off to 0. A restart that is being waited for still
  // happens.
  void reset_counters();

  [[nodiscard]] InstanceState state() const noexcept { return now_.state; }
  // Of the present state.
  [[nodiscard]] const std::string& reason() const noexcept { return now_.reason; }
  [[nodiscard]] int restarts() const noexcept { return now_.restarts; }
  [[nodiscard]] int unstable_restarts() const noexcept { return now_.history.unstable_restarts; }
  [[nodiscard]] Millis backoff() const noexcept { return now_.history.backoff; }
  [[nodiscard]] const std::optional<ExitStatus>& last_exit() const noexcept {
    return now_.last_exit;
  }
  [[nodiscard]] Generation generation() const noexcept { return now_.generation; }
  [[nodiscard]] std::optional<TimePoint> started_at() const noexcept { return now_.started_at; }
  // The desired state: true if it runs, or is about to. An errored instance is not wanted running;
  // its state says so by itself.
  [[nodiscard]] bool wants_running() const noexcept;
  [[nodiscard]] const Snapshot& snapshot() const noexcept { return now_; }

 private:
  // InstanceState with the first halves as states of their own.
  enum class Phase {
    stopped,
    spawning,
    launching,
    online,
    stopping_unborn,
    stopping,
    waiting_restart,
    errored,
    idle
  };
  [[nodiscard]] Phase phase() const noexcept;

  InstanceStep on_event(const StartRequested&, TimePoint now);
  InstanceStep on_event(const StopRequested&, TimePoint now);
  InstanceStep on_event(const RestartRequested&, TimePoint now);
  InstanceStep on_event(const Spawned&, TimePoint now);
  InstanceStep on_event(const SpawnFailed&, TimePoint now);
  InstanceStep on_event(const Ready&, TimePoint now);
  InstanceStep on_event(const ReadyTimedOut&, TimePoint now);
  InstanceStep on_event(const Exited&, TimePoint now);
  InstanceStep on_event(const StopFinished&, TimePoint now);
  InstanceStep on_event(const StopFailed&, TimePoint now);
  InstanceStep on_event(const RestartDue&, TimePoint now);
  InstanceStep on_event(const Connected&, TimePoint now);
  InstanceStep on_event(const RestartScheduled&, TimePoint now);
  InstanceStep on_event(const RunDue&, TimePoint now);
  InstanceStep on_event(const RunTimedOut&, TimePoint now);
  InstanceStep on_event(const Replaced&, TimePoint now);

  InstanceStep enter(InstanceState state, std::string reason, std::vector<InstanceEffect> before,
                     std::vector<InstanceEffect> after = {});
  InstanceStep launch(std::string reason, std::vector<InstanceEffect> before, bool automatic);
  // What a start of what does not run leads to: launch, or idle.
  InstanceStep begin(std::string reason, std::vector<InstanceEffect> before);
  InstanceStep wait_for_connection(std::string reason, std::vector<InstanceEffect> before,
                                   Millis delay);
  // What comes after the end of a job's run.
  InstanceStep end_run(bool well, const std::string& what, std::vector<InstanceEffect> before,
                       TimePoint now);
  [[nodiscard]] bool has_schedule() const {
    return settings_.job && !settings_.job->schedule.empty();
  }
  InstanceStep begin_stop(std::string reason, std::vector<InstanceEffect> before,
                          AfterStop after_stop);
  InstanceStep set_after_stop(AfterStop after_stop, std::string reason);
  InstanceStep follow_stop(TimePoint now);
  InstanceStep replace(const Replaced& event, std::vector<InstanceEffect> before, TimePoint now);
  InstanceStep apply(RestartDecision decision, std::vector<InstanceEffect> before, TimePoint now);
  [[nodiscard]] InstanceStep ignore(std::string_view event) const;

  InstanceFsmSettings settings_;
  Snapshot now_;
};

}  // namespace pmx
