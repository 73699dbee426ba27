#include "daemon/policy/reload_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pmx {

int default_reload_surge(std::size_t targets) noexcept { return targets <= 2 ? 1 : 2; }

ReloadPlan::ReloadPlan(const std::vector<int>& pm_ids, ReloadSettings settings)
    : settings_(settings) {
  for (const int pm_id : pm_ids) {
    if (targets_.emplace(pm_id, Target{}).second) order_.push_back(pm_id);
  }
  settings_.max_unavailable = std::max(0, settings_.max_unavailable);
  if (settings_.max_surge < 1)
    settings_.max_surge = settings_.max_unavailable > 0 ? 0 : default_reload_surge(order_.size());
}

ReloadActions ReloadPlan::begin() {
  ReloadActions actions;
  advance(actions);
  return actions;
}

ReloadActions ReloadPlan::candidate_ready(int pm_id) {
  Target* target = in_stage(pm_id, Stage::starting);
  if (target == nullptr) return {};
  if (settings_.min_ready > Millis{0}) {
    target->stage = Stage::holding;
    return {HoldCandidate{pm_id}};
  }
  target->stage = Stage::retiring;
  return {RetireOld{pm_id}};
}

ReloadActions ReloadPlan::candidate_failed(int pm_id, const std::string& reason) {
  Target* target = in_stage(pm_id, Stage::starting);
  if (target == nullptr) target = in_stage(pm_id, Stage::holding);
  if (target == nullptr) {
    target = in_stage(pm_id, Stage::retiring);
    if (target == nullptr) return {};
    target->stage = Stage::holding;  // nothing was promoted: it is as if it were held
  }
  return abandon(fmt::format("the new process of id {} failed: {}", pm_id, reason));
}

ReloadActions ReloadPlan::held(int pm_id) {
  Target* target = in_stage(pm_id, Stage::holding);
  if (target == nullptr) return {};
  target->stage = Stage::retiring;
  return {RetireOld{pm_id}};
}

ReloadActions ReloadPlan::old_gone(int pm_id) {
  Target* target = in_stage(pm_id, Stage::retiring);
  if (target == nullptr) return {};
  target->stage = Stage::replaced;
  ReloadActions actions;
  advance(actions);
  return actions;
}

ReloadActions ReloadPlan::cancelled(const std::string& reason) {
  if (finished_ || std::exchange(cancelled_, true)) return {};
  if (!(going_back_ ? rollback_failure_ : failure_).empty()) return {};  // only no way back then
  return abandon("cancelled: " + reason);
}

int ReloadPlan::replaced() const noexcept { return going_back_ ? 0 : count(Stage::replaced); }

ReloadPlan::Target* ReloadPlan::in_stage(int pm_id, Stage stage) {
  const auto found = targets_.find(pm_id);
  return found != targets_.end() && found->second.stage == stage ? &found->second : nullptr;
}

int ReloadPlan::count(Stage stage) const noexcept {
  return static_cast<int>(std::ranges::count_if(
      targets_, [stage](const auto& entry) { return entry.second.stage == stage; }));
}

bool ReloadPlan::active() const noexcept {
  return count(Stage::starting) + count(Stage::holding) + count(Stage::retiring) > 0;
}

ReloadActions ReloadPlan::abandon(const std::string& reason) {
  (going_back_ ? rollback_failure_ : failure_) = reason;
  ReloadActions actions;
  for (const int pm_id : order_) {
    Target& target = targets_[pm_id];
    if (target.stage == Stage::waiting) target.stage = Stage::kept;
    if (target.stage != Stage::starting && target.stage != Stage::holding) continue;
    // A candidate that is merely slow belongs to the same suspect release.
    actions.emplace_back(RemoveCandidate{pm_id});
    target.stage = target.in_place ? Stage::lost : Stage::kept;
  }
  advance(actions);
  return actions;
}

void ReloadPlan::advance(ReloadActions& actions) {
  if (finished_) return;
  start_next(actions);
  if (!active() && turn_back()) start_next(actions);
  if (active()) return;
  finished_ = true;
  actions.emplace_back(result());
}

void ReloadPlan::start_next(ReloadActions& actions) {
  int beside = 0;
  int in_place = 0;
  for (const auto& [pm_id, target] : targets_) {
    const bool is_active = target.stage == Stage::starting || target.stage == Stage::holding ||
                           target.stage == Stage::retiring;
    if (is_active) ++(target.in_place ? in_place : beside);
  }
  for (const int pm_id : order_) {
    Target* target = in_stage(pm_id, Stage::waiting);
    if (target == nullptr) continue;
    if (beside < settings_.max_surge) {
      ++beside;
      target->in_place = false;
      actions.emplace_back(StartCandidate{pm_id, going_back_});
    } else if (in_place < settings_.max_unavailable) {
      ++in_place;
      target->in_place = true;
      actions.emplace_back(ReplaceInPlace{pm_id, going_back_});
    } else {
      return;
    }
    target->stage = Stage::starting;
  }
}

bool ReloadPlan::turn_back() {
  if (failure_.empty() || going_back_ || cancelled_) return false;
  if (settings_.rollback != ReloadSettings::Rollback::on) return false;
  had_replaced_ = count(Stage::replaced) + count(Stage::lost);
  if (had_replaced_ == 0) return false;
  going_back_ = true;
  for (auto& [pm_id, target] : targets_) {
    if (target.stage == Stage::replaced || target.stage == Stage::lost)
      target.stage = Stage::waiting;
  }
  return true;
}

ReloadFinished ReloadPlan::result() const {
  const std::size_t total = order_.size();
  const int replaced_now = count(Stage::replaced);
  if (failure_.empty())
    return {true, fmt::format("{} of {} instances replaced", replaced_now, total)};
  if (going_back_ && rollback_failure_.empty()) {
    return {false, fmt::format("{}; {} of {} instances had been replaced and are back on the "
                               "previous settings, the others run as before",
                               failure_, had_replaced_, total)};
  }
  if (going_back_) {
    return {false,
            fmt::format("{}; going back to the previous settings failed too, for {} of the "
                        "{} instances that had been replaced: {}; what runs is left as it is",
                        failure_, had_replaced_ - replaced_now, had_replaced_, rollback_failure_)};
  }
  std::string text = fmt::format("{}; {} of {} instances replaced, the others run as before",
                                 failure_, replaced_now, total);
  if (const int lost = count(Stage::lost); lost > 0)
    text += fmt::format(
        "; {} without a ready process (max_unavailable), started again as if it "
        "had crashed",
        lost);
  if (replaced_now > 0 && !cancelled_) {
    text += settings_.rollback == ReloadSettings::Rollback::off
                ? "; those replaced stay: rollback is off"
                : "; those replaced stay: their settings have not changed, and the files of the "
                  "previous version are not pmx's to bring back";
  }
  return {false, text};
}

}  // namespace pmx
