// JobSchedule: when a scheduled job runs, as a pure state machine: what is due, what happens when
// a run is still going on, how long a run may take, and how often it is tried again. A run that
// ends is not a crash: RestartPolicy has no part in it.
//
// clang-format off
//            a time is due   the run ends
// idle       start           -
// running    by `overlap`    well, or no try is left: idle. Badly: retrying. One is queued: start
// stopping   by `overlap`    the same; after `replace` one is queued
// retrying   start afresh    -
// clang-format on
//
// The caller starts and stops the process, reports its end, and calls on_time() at due() of the wall
// clock, at timer() of the steady clock, and when the wall clock was set. A job that the user has
// stopped has no JobSchedule; its next one begins anew.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/model/app_spec.h"
#include "common/model/exit_status.h"
#include "daemon/policy/due_times.h"

namespace pmx {

// A time comes while a run is going on.
enum class Overlap {
  skip,     // it is left out
  queue,    // it starts when the run has ended; one waits at most
  replace,  // the run is stopped, then it starts
};

std::string_view to_string(Overlap overlap) noexcept;  // by these names
std::optional<Overlap> overlap_from(std::string_view) noexcept;

struct JobSettings {
  Overlap overlap = Overlap::skip;
  Millis timeout{0};  // of one run, after which it is stopped; 0: none
  int retries = 0;    // after a failed run
  Millis retry_delay{1000};
  std::vector<int> success_codes = {};  // besides 0
};

struct JobNow {
  std::chrono::sys_seconds wall;
  TimePoint steady;
};

struct JobStep {
  enum class Action { none, start, stop };
  Action action = Action::none;
  std::string reason;  // empty: nothing worth telling
};

class JobSchedule {
 public:
  enum class State { idle, running, stopping, retrying };

  // What must outlive the daemon, beside the times' settled().
  struct Snapshot {
    State state = State::idle;
    int failed = 0;       // runs for the present time that have failed
    bool queued = false;  // another run follows
    bool timed_out = false;
    std::optional<TimePoint> timer = {};  // running: the timeout; retrying: the next try

    friend bool operator==(const Snapshot&, const Snapshot&) = default;
  };

  JobSchedule(JobSettings settings, DueTimes times, Snapshot snapshot);

  JobStep on_time(const JobNow& now);
  JobStep on_end(const ExitStatus& exit, const JobNow& now);
  // No process could be made; `why` says why. Counts as a failed run.
  JobStep on_start_failed(std::string_view why, const JobNow& now);

  [[nodiscard]] std::optional<std::chrono::sys_seconds> due() const noexcept {
    return times_.next();
  }
  [[nodiscard]] std::optional<TimePoint> timer() const noexcept { return now_.timer; }
  [[nodiscard]] std::chrono::sys_seconds settled() const noexcept { return times_.settled(); }
  [[nodiscard]] const Snapshot& snapshot() const noexcept { return now_; }

 private:
  JobStep on_due(std::string what, TimePoint now);
  JobStep on_timer(TimePoint now);
  JobStep on_end(bool well, std::string what, TimePoint now);
  JobStep start(std::string reason, TimePoint now);
  JobStep stop(std::string reason);

  JobSettings settings_;
  DueTimes times_;
  Snapshot now_;
};

}  // namespace pmx
