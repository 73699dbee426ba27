#include "cli/commands/log_defaults.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands/apply.h"
#include "cli/commands/targets.h"
#include "cli/plan/units.h"
#include "common/config/log_defaults.h"

namespace pmx::cli {

LogLimits default_log_limits(Context& context) {
  return pmx::default_log_limits(Settings::load(context.paths().settings()));
}

bool apply_log_defaults(Context& context, const LogLimits& before, const LogLimits& after) {
  const bool may_have_apps =
      context.running_daemon() != nullptr || !absolute_if_file(context.paths().database()).empty();
  if (before == after || !may_have_apps) return true;
  const std::vector<InstanceStatus> present = context.list_all(true);
  std::map<std::string, AppSpec> changed;
  for (const InstanceStatus& one : present) {
    if (!one.detail) continue;
    AppSpec spec = one.detail->spec;
    spec.log_limits = follow_defaults(spec.log_limits, before, after);
    if (spec.log_limits == one.detail->spec.log_limits) continue;
    spec.instances = 0;
    ++changed.try_emplace(one.name, std::move(spec)).first->second.instances;
  }
  std::vector<AppSpec> specs;
  for (auto& [name, spec] : changed) specs.push_back(std::move(spec));
  std::vector<PlanStep> plan = make_plan(std::move(specs), present, {});
  for (PlanStep& step : plan) {
    step.action = PlanStep::Action::in_place;
    for (const FieldChange& change : step.changes)
      context.output.info(fmt::format("{}: {}: {} -> {}", step.name, change.field,
                                      with_unit(change.field, change.from),
                                      with_unit(change.field, change.to)));
  }
  return carry_out(context, std::move(plan), {});
}

}  // namespace pmx::cli
