#include "daemon/policy/restart_policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/policy/duration_text.h"

namespace pmx {
namespace {

using Action = RestartDecision::Action;

Millis next_backoff(Millis base, Millis previous) {
  if (previous < base) return base;
  if (previous >= kMaxBackoff) return std::max(base, kMaxBackoff);
  return std::min(kMaxBackoff, previous * 3 / 2);
}

// `what` names the end; `unstable` says whether it counts against max_restarts.
RestartDecision restart_or_give_up(const RestartSettings& settings, RestartHistory& history,
                                   const std::string& what, bool unstable, Millis least_delay) {
  history.unstable_restarts = unstable ? history.unstable_restarts + 1 : 0;
  if (history.unstable_restarts >= settings.max_restarts) {
    const auto* const runs = history.unstable_restarts == 1 ? "run" : "runs in a row";
    return {Action::give_up, Millis{0},
            fmt::format("{}; gave up after {} unstable {} (max_restarts {})", what,
                        history.unstable_restarts, runs, settings.max_restarts)};
  }

  Millis delay = settings.restart_delay;
  const bool backing_off = settings.exp_backoff_restart_delay > Millis{0};
  if (backing_off) {
    delay = history.backoff = next_backoff(settings.exp_backoff_restart_delay, history.backoff);
  }
  delay = std::max({delay, least_delay, Millis{0}});

  const std::string count = unstable ? fmt::format("restart {} of {}", history.unstable_restarts,
                                                   settings.max_restarts - 1)
                                     : "restart";
  const std::string when = delay == Millis{0} ? "at once" : "in " + exactly(delay);
  return {Action::restart, delay,
          fmt::format("{}; {} {}{}", what, count, when, backing_off ? " (back-off)" : "")};
}

}  // namespace

RestartSettings RestartSettings::from(const AppSpec& spec) {
  return {.autorestart = spec.autorestart,
          .max_restarts = spec.max_restarts,
          .min_uptime = spec.min_uptime,
          .restart_delay = spec.restart_delay,
          .exp_backoff_restart_delay = spec.exp_backoff_restart_delay,
          .stop_exit_codes = spec.stop_exit_codes};
}

RestartDecision decide(const RestartSettings& settings, RestartHistory& history,
                       const ExitStatus& exit, Duration uptime) {
  const std::string what = fmt::format("{} after {}", exit.describe(), about(uptime));
  if (!settings.autorestart) {
    return {Action::stay_stopped, Millis{0}, what + "; not restarted: autorestart is off"};
  }
  // Only an exit code can match: a death by signal has none, not even 0.
  if (exit.kind == ExitStatus::Kind::exited &&
      std::ranges::count(settings.stop_exit_codes, exit.value) > 0) {
    return {Action::stay_stopped, Millis{0},
            what + "; not restarted: the code is in stop_exit_codes"};
  }
  if (uptime >= kStableUptime) history.backoff = Millis{0};
  const bool failed_early = !exit.success() && uptime < kStableUptime;
  return restart_or_give_up(settings, history, what, uptime < settings.min_uptime || failed_early,
                            Millis{0});
}

RestartDecision decide_after_spawn_failure(const RestartSettings& settings, RestartHistory& history,
                                           std::string_view text) {
  const std::string what = fmt::format("could not be started: {}", text);
  return restart_or_give_up(settings, history, what, true, kSpawnRetryDelay);
}

}  // namespace pmx
