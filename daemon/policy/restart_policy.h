// RestartPolicy: what to do after a run has ended. Pure: settings, history and the end of the run
// in, a decision with its reason out.
//
// A run is unstable if it was shorter than min_uptime, or if it failed (a signal, an unknown
// end, an exit code that is no success) before stable_uptime. Unstable runs in a row are counted; at
// max_restarts the instance is given up. Any other run resets the count. This count has no time window: a loop
// that crashes slowly, or that begins long after the app was created, ends like a quick one. A budget
// has one, and counts every restart.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/model/app_spec.h"
#include "common/model/exit_status.h"
#include "common/model/restart_mode.h"

namespace pmx {

// Defaults. A run this long (or as long as min_uptime, if that is more) is stable however it ends,
// and resets the back-off.
inline constexpr Millis kStableUptime{30'000};
// The back-off grows up to this; a larger configured first step is kept as it is.
inline constexpr Millis kMaxBackoff{15'000};
// Least delay after a start that made no process at all: at once would fail for the same reason.
inline constexpr Millis kSpawnRetryDelay{1'000};

// So many restarts within a window of time; the next one is not granted. 0: no limit.
struct RestartBudget {
  int restarts = 0;
  Millis window{0};

  friend bool operator==(const RestartBudget&, const RestartBudget&) = default;
};

struct RestartSettings {
  RestartMode mode = RestartMode::always;
  int max_restarts = AppSpec::kDefaultMaxRestarts;  // this many unstable runs in a row: give up. 0:
                                                    // at the first end
  Millis min_uptime = AppSpec::kDefaultMinUptime;
  Millis restart_delay{0};
  Millis exp_backoff_restart_delay{0};    // 0 = off; else replaces restart_delay
  std::vector<int> stop_exit_codes = {};  // not restarted, whatever the mode
  std::vector<int> success_codes = {};    // besides 0
  Millis max_backoff = kMaxBackoff;
  Millis stable_uptime = kStableUptime;
  // Each back-off delay is shorter by up to this share of it (0 to 1), by a chance that depends on
  // the seed, so that instances that crash together do not come back together.
  double backoff_jitter = 0;
  std::uint64_t jitter_seed = 0;
  RestartBudget budget = {};
  Millis retry_after{0};  // an instance that was given up is tried again so much later; 0: never

  static RestartSettings from(const AppSpec& spec);

  friend bool operator==(const RestartSettings&, const RestartSettings&) = default;
};

// What must be remembered between two runs. An operator's action sets it back to {}.
struct RestartHistory {
  int unstable_restarts = 0;            // unstable runs in a row
  Millis backoff{0};                    // last back-off step, without jitter; 0 = none yet
  std::vector<TimePoint> granted = {};  // restarts within the budget's window, oldest first

  friend bool operator==(const RestartHistory&, const RestartHistory&) = default;
};

struct RestartDecision {
  enum class Action {
    restart,       // after `delay`, which may be 0
    stay_stopped,  // as configured; not a failure
    give_up,       // the instance is errored; one more try after `delay`, unless that is 0
  };
  Action action = Action::stay_stopped;
  Millis delay{0};
  std::string reason;  // "exit code 1 after 0.4 s; restart 3 of 15 in 150 ms (back-off)"
};

// Decides after a run of length `uptime` that has ended now, and brings `history` up to date.
RestartDecision decide(const RestartSettings& settings, RestartHistory& history,
                       const ExitStatus& exit, Duration uptime, TimePoint now);

// The same after a process that was ended because it did not become ready; `what` says so. Counts as
// an unstable run.
RestartDecision decide_after_not_ready(const RestartSettings& settings, RestartHistory& history,
                                       const std::string& what, TimePoint now);

// The same after an automatic restart that could not make a process; `text` says why. Counts as an
// unstable run.
RestartDecision decide_after_spawn_failure(const RestartSettings& settings, RestartHistory& history,
                                           std::string_view text, TimePoint now);

// A job's run has ended, or could not begin (`what`, in words). Failed runs in a row are counted as
// unstable; stay_stopped: it is done for this time.
RestartDecision decide_after_run(const JobSpec& job, RestartHistory& history, bool well,
                                 const std::string& what);

// By these settings: an exit code of success.
bool ended_well(const RestartSettings& settings, const ExitStatus& exit);

}  // namespace pmx
