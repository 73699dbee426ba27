#include "daemon/policy/recycle.h"

#include <algorithm>

#include "daemon/policy/jitter.h"

namespace pmx {

TimePoint recycle_due(Millis max_uptime, const RecycleCandidate& candidate) {
  const double share = 1.0 - kRecycleSpread * jitter(candidate.id, candidate.run);
  return candidate.started_at +
         std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(
             static_cast<double>(max_uptime.count()) * share));
}

RecycleDecision decide_recycle(Millis max_uptime, const std::vector<RecycleCandidate>& app,
                               TimePoint now) {
  const auto is_ready = [](const RecycleCandidate& each) { return each.ready; };
  if (max_uptime <= Millis{0} || app.empty() || !std::ranges::all_of(app, is_ready)) return {};
  const auto due = [&](const RecycleCandidate& each) { return recycle_due(max_uptime, each); };
  const RecycleCandidate& first = *std::ranges::min_element(app, {}, due);
  if (due(first) > now) return {std::nullopt, due(first)};
  return {first.id, std::nullopt};
}

}  // namespace pmx
