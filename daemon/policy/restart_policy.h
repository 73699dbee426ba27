// RestartPolicy: what to do after a run has ended. Pure: settings, history and the end of the run
// in, a decision with its reason out.
//
// A run is unstable if it was shorter than min_uptime, or if it failed (exit code other than 0, a
// signal, an unknown end) before kStableUptime. Unstable runs in a row are counted; at max_restarts
// the instance is given up. Any other run resets the count. There is no time window: a loop that
// crashes slowly, or that begins long after the app was created, ends like a quick one.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/model/app_spec.h"
#include "common/model/exit_status.h"

namespace pmx {

// A run this long (or as long as min_uptime, if that is more) is stable however it ends, and resets
// the back-off.
inline constexpr Millis kStableUptime{30'000};
// The back-off grows up to this; a larger configured first step is kept as it is.
inline constexpr Millis kMaxBackoff{15'000};
// Least delay after a start that made no process at all: at once would fail for the same reason.
inline constexpr Millis kSpawnRetryDelay{1'000};

struct RestartSettings {
  bool autorestart = true;
  int max_restarts = AppSpec::kDefaultMaxRestarts;  // this many unstable runs in a row: give up. 0:
                                                    // at the first end
  Millis min_uptime = AppSpec::kDefaultMinUptime;
  Millis restart_delay{0};
  Millis exp_backoff_restart_delay{0};  // 0 = off; else replaces restart_delay
  std::vector<int> stop_exit_codes = {};

  static RestartSettings from(const AppSpec& spec);

  friend bool operator==(const RestartSettings&, const RestartSettings&) = default;
};

// What must be remembered between two runs. An operator's action sets it back to {}.
struct RestartHistory {
  int unstable_restarts = 0;  // unstable runs in a row
  Millis backoff{0};          // last back-off step; 0 = none yet

  friend bool operator==(const RestartHistory&, const RestartHistory&) = default;
};

struct RestartDecision {
  enum class Action {
    restart,       // after `delay`, which may be 0
    stay_stopped,  // as configured; not a failure
    give_up,       // the instance is errored
  };
  Action action = Action::stay_stopped;
  Millis delay{0};
  std::string reason;  // "exit code 1 after 0.4 s; restart 3 of 15 in 150 ms (back-off)"
};

// Decides after a run of length `uptime`, and brings `history` up to date.
RestartDecision decide(const RestartSettings& settings, RestartHistory& history,
                       const ExitStatus& exit, Duration uptime);

// The same after an automatic restart that could not make a process; `text` says why. Counts as an
// unstable run.
RestartDecision decide_after_spawn_failure(const RestartSettings& settings, RestartHistory& history,
                                           std::string_view text);

}  // namespace pmx
