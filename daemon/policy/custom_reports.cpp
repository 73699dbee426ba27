#include "daemon/policy/custom_reports.h"

#include <fmt/format.h>

#include <algorithm>

namespace pmx {

bool CustomReports::refuse(std::string why) {
  report_.refusal = std::move(why);
  return ++report_.refused == 1;
}

bool CustomReports::offer(CustomAction action) {
  if (action.name.empty() || action.name.size() > kMaxName || action.type.size() > kMaxName) {
    refuse(fmt::format("an action's name has 1 to {} bytes", kMaxName));
    return false;
  }
  const auto known = std::ranges::find(report_.actions, action.name, &CustomAction::name);
  if (known != report_.actions.end()) {
    if (*known == action) return false;
    *known = std::move(action);
    return true;
  }
  if (report_.actions.size() >= kMaxActions) {
    refuse(fmt::format("more than {} actions", kMaxActions));
    return false;
  }
  report_.actions.push_back(std::move(action));
  return true;
}

void CustomReports::set(CustomMetric metric) {
  if (metric.name.empty() || metric.name.size() > kMaxName || metric.type.size() > kMaxName ||
      metric.unit.size() > kMaxUnit || metric.value.size() > kMaxValue) {
    refuse(fmt::format("a metric's name has 1 to {} bytes, its value at most {}, its unit {}",
                       kMaxName, kMaxValue, kMaxUnit));
    return;
  }
  const auto known = std::ranges::find(report_.metrics, metric.name, &CustomMetric::name);
  if (known != report_.metrics.end()) {
    *known = std::move(metric);
  } else if (report_.metrics.size() >= kMaxMetrics) {
    refuse(fmt::format("more than {} metrics", kMaxMetrics));
  } else {
    report_.metrics.push_back(std::move(metric));
  }
}

void CustomReports::set_options(std::string json) {
  if (json.size() > kMaxOptions) {
    refuse(fmt::format("options of more than {} bytes", kMaxOptions));
  } else {
    report_.options = std::move(json);
  }
}

bool CustomReports::offers(const std::string& action) const noexcept {
  return std::ranges::find(report_.actions, action, &CustomAction::name) != report_.actions.end();
}

std::optional<std::uint64_t> ActionCalls::begin(std::string action) {
  if (calls_.size() >= kMost) return std::nullopt;
  calls_.push_back({++last_, std::move(action), std::nullopt});
  return last_;
}

bool ActionCalls::answer(const std::string& action, std::string json) {
  for (Call& call : calls_) {
    if (call.answer || call.action != action) continue;
    call.answer = std::move(json);
    return true;
  }
  return false;
}

const std::string* ActionCalls::answer_of(std::uint64_t call) const noexcept {
  const auto found = std::ranges::find(calls_, call, &Call::number);
  return found != calls_.end() && found->answer ? &*found->answer : nullptr;
}

void ActionCalls::end(std::uint64_t call) {
  std::erase_if(calls_, [call](const Call& one) { return one.number == call; });
}

}  // namespace pmx
