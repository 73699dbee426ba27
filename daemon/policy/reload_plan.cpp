#include "daemon/policy/reload_plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace pmx {

int default_reload_parallel(std::size_t targets) noexcept { return targets <= 2 ? 1 : 2; }

ReloadPlan::ReloadPlan(const std::vector<int>& pm_ids, int parallel) : parallel_(parallel) {
  for (const int pm_id : pm_ids) {
    if (stages_.emplace(pm_id, Stage::waiting).second) order_.push_back(pm_id);
  }
  if (parallel_ < 1) parallel_ = default_reload_parallel(order_.size());
}

ReloadActions ReloadPlan::begin() {
  ReloadActions actions;
  advance(actions);
  return actions;
}

ReloadActions ReloadPlan::candidate_ready(int pm_id) {
  if (!is_in(pm_id, Stage::starting)) return {};
  stages_[pm_id] = Stage::retiring;
  return {RetireOld{pm_id}};
}

ReloadActions ReloadPlan::candidate_failed(int pm_id, const std::string& reason) {
  if (!is_in(pm_id, Stage::starting)) return {};
  return abandon(fmt::format("the new instance {} failed: {}", pm_id, reason));
}

ReloadActions ReloadPlan::old_gone(int pm_id) {
  if (!is_in(pm_id, Stage::retiring)) return {};
  stages_[pm_id] = Stage::replaced;
  ++replaced_;
  ReloadActions actions;
  advance(actions);
  return actions;
}

ReloadActions ReloadPlan::cancelled(const std::string& reason) {
  if (finished_ || !failure_.empty()) return {};
  return abandon("cancelled: " + reason);
}

bool ReloadPlan::is_in(int pm_id, Stage stage) const {
  const auto found = stages_.find(pm_id);
  return found != stages_.end() && found->second == stage;
}

ReloadActions ReloadPlan::abandon(const std::string& reason) {
  failure_ = reason;
  ReloadActions actions;
  for (const int pm_id : order_) {
    Stage& stage = stages_[pm_id];
    // A candidate that is merely slow belongs to the same suspect release.
    if (stage == Stage::starting) actions.emplace_back(RemoveCandidate{pm_id});
    if (stage == Stage::starting || stage == Stage::waiting) stage = Stage::kept;
  }
  advance(actions);
  return actions;
}

void ReloadPlan::advance(ReloadActions& actions) {
  if (finished_) return;
  int active = 0;
  for (const auto& [pm_id, stage] : stages_) {
    if (stage == Stage::starting || stage == Stage::retiring) ++active;
  }
  for (const int pm_id : order_) {
    if (active >= parallel_) return;
    if (!is_in(pm_id, Stage::waiting)) continue;
    stages_[pm_id] = Stage::starting;
    actions.emplace_back(StartCandidate{pm_id});
    ++active;
  }
  if (active > 0) return;

  finished_ = true;
  const std::string count = fmt::format("{} of {} instances replaced", replaced_, order_.size());
  if (failure_.empty()) {
    actions.emplace_back(ReloadFinished{true, count});
  } else {
    actions.emplace_back(ReloadFinished{
        false, fmt::format("{}; {}, the others keep running as before", failure_, count)});
  }
}

}  // namespace pmx
