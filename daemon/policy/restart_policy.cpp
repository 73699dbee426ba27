#include "daemon/policy/restart_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/policy/duration_text.h"
#include "daemon/policy/jitter.h"

namespace pmx {
namespace {

using Action = RestartDecision::Action;

bool contains(const std::vector<int>& codes, const ExitStatus& exit) {
  // Only an exit code can match: a death by signal has none, not even 0.
  return exit.kind == ExitStatus::Kind::exited && std::ranges::count(codes, exit.value) > 0;
}

Millis next_backoff(const RestartSettings& settings, Millis previous) {
  const Millis base = settings.exp_backoff_restart_delay;
  if (previous < base) return base;
  if (previous >= settings.max_backoff) return std::max(base, settings.max_backoff);
  return std::min(settings.max_backoff, previous * 3 / 2);
}

Millis jittered(const RestartSettings& settings, const RestartHistory& history) {
  const auto step = static_cast<std::uint64_t>(history.backoff.count() + history.unstable_restarts);
  const double share = 1.0 - settings.backoff_jitter * jitter(settings.jitter_seed, step);
  return Millis{static_cast<Millis::rep>(static_cast<double>(history.backoff.count()) * share)};
}

RestartDecision give_up(const RestartSettings& settings, std::string reason) {
  if (settings.retry_after > Millis{0}) {
    reason += fmt::format("; one more try in {}", exactly(settings.retry_after));
  }
  return {Action::give_up, settings.retry_after, std::move(reason)};
}

// Takes one restart out of the budget; false: none is left.
bool grant(const RestartBudget& budget, RestartHistory& history, TimePoint now) {
  if (budget.restarts <= 0) return true;
  std::erase_if(history.granted, [&](TimePoint at) { return at <= now - budget.window; });
  if (history.granted.size() >= static_cast<std::size_t>(budget.restarts)) return false;
  history.granted.push_back(now);
  return true;
}

// `what` names the end; `unstable` says whether it counts against max_restarts.
RestartDecision restart_or_give_up(const RestartSettings& settings, RestartHistory& history,
                                   const std::string& what, bool unstable, Millis least_delay,
                                   TimePoint now) {
  history.unstable_restarts = unstable ? history.unstable_restarts + 1 : 0;
  if (history.unstable_restarts >= settings.max_restarts) {
    const auto* const runs = history.unstable_restarts == 1 ? "run" : "runs in a row";
    return give_up(settings, fmt::format("{}; gave up after {} unstable {} (max_restarts {})", what,
                                         history.unstable_restarts, runs, settings.max_restarts));
  }
  if (!grant(settings.budget, history, now)) {
    return give_up(settings, fmt::format("{}; gave up after {} restarts within {} (budget)", what,
                                         settings.budget.restarts, about(settings.budget.window)));
  }

  Millis delay = settings.restart_delay;
  const bool backing_off = settings.exp_backoff_restart_delay > Millis{0};
  if (backing_off) {
    history.backoff = next_backoff(settings, history.backoff);
    delay = jittered(settings, history);
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
  return {.mode = spec.autorestart ? spec.restart : RestartMode::never,
          .max_restarts = spec.max_restarts,
          .min_uptime = spec.min_uptime,
          .restart_delay = spec.restart_delay,
          .exp_backoff_restart_delay = spec.exp_backoff_restart_delay,
          .stop_exit_codes = spec.stop_exit_codes,
          .success_codes = spec.success_exit_codes,
          .max_backoff = spec.max_backoff,
          .backoff_jitter = spec.backoff_jitter / 100.0,
          .budget = spec.restart_limit > 0 ? RestartBudget{spec.restart_limit, spec.restart_window}
                                           : RestartBudget{},
          .retry_after = spec.retry_after};
}

bool ended_well(const RestartSettings& settings, const ExitStatus& exit) {
  return exit.success() || contains(settings.success_codes, exit);
}

RestartDecision decide(const RestartSettings& settings, RestartHistory& history,
                       const ExitStatus& exit, Duration uptime, TimePoint now) {
  const std::string what = fmt::format("{} after {}", exit.describe(), about(uptime));
  const bool success = ended_well(settings, exit);
  if (settings.mode == RestartMode::never) {
    return {Action::stay_stopped, Millis{0}, what + "; not restarted: autorestart is off"};
  }
  if ((settings.mode == RestartMode::on_failure && success) ||
      (settings.mode == RestartMode::on_abnormal && exit.kind == ExitStatus::Kind::exited)) {
    return {Action::stay_stopped, Millis{0},
            fmt::format("{}; not restarted: restart is {}", what, to_string(settings.mode))};
  }
  if (contains(settings.stop_exit_codes, exit)) {
    return {Action::stay_stopped, Millis{0},
            what + "; not restarted: the code is in stop_exit_codes"};
  }
  if (uptime >= settings.stable_uptime) history.backoff = Millis{0};
  const bool failed_early = !success && uptime < settings.stable_uptime;
  return restart_or_give_up(settings, history, what, uptime < settings.min_uptime || failed_early,
                            Millis{0}, now);
}

RestartDecision decide_after_not_ready(const RestartSettings& settings, RestartHistory& history,
                                       const std::string& what, TimePoint now) {
  if (settings.mode == RestartMode::never)
    return {Action::give_up, Millis{0}, what + "; not restarted: autorestart is off"};
  return restart_or_give_up(settings, history, what, true, Millis{0}, now);
}

RestartDecision decide_after_spawn_failure(const RestartSettings& settings, RestartHistory& history,
                                           std::string_view text, TimePoint now) {
  const std::string what = fmt::format("could not be started: {}", text);
  return restart_or_give_up(settings, history, what, true, kSpawnRetryDelay, now);
}

RestartDecision decide_after_run(const JobSpec& job, RestartHistory& history, bool well,
                                 const std::string& what) {
  if (well) {
    history = {};
    return {Action::stay_stopped, Millis{0}, what + "; done"};
  }
  const int failed = ++history.unstable_restarts;
  if (failed > job.retries) {
    return {Action::give_up, Millis{0},
            fmt::format("{}; failed after {} {}", what, failed, failed == 1 ? "try" : "tries")};
  }
  return {Action::restart, std::max(job.retry_delay, Millis{1}),
          fmt::format("{}; try {} of {} in {}", what, failed + 1, job.retries + 1,
                      exactly(job.retry_delay))};
}

}  // namespace pmx
