#include "cli/plan/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "cli/plan/units.h"
#include "common/model/door.h"

namespace pmx::cli {
namespace {

using Action = PlanStep::Action;

// What is there under one name.
struct Present {
  AppSpec spec;
  int instances = 0;
  int running = 0;
  int online = 0;
  bool rests = false;
  const InstanceStatus* not_running = nullptr;  // one of them
};

std::map<std::string, Present> by_name(const std::vector<InstanceStatus>& instances) {
  std::map<std::string, Present> apps;
  for (const InstanceStatus& one : instances) {
    if (!one.detail) continue;
    Present& app = apps[one.name];
    if (app.instances++ == 0) app.spec = one.detail->spec;
    const bool runs = one.state != InstanceState::stopped && one.state != InstanceState::errored;
    if (runs) ++app.running;
    if (one.state == InstanceState::online) ++app.online;
    app.rests = app.spec.job && one.state == InstanceState::idle;
    if (!runs) app.not_running = &one;
  }
  // Each instance has the number that there were when it was started.
  for (auto& [name, app] : apps) app.spec.instances = app.instances;
  return apps;
}

Action action_for(const Present& app, const PlanStep& step) {
  Takes most = Takes::nothing;
  for (const FieldChange& change : step.changes) most = std::max(most, change.takes);
  switch (most) {
    case Takes::nothing:
      return Action::none;
    case Takes::in_place:
      return Action::in_place;
    case Takes::new_process:
      if (shares_sockets(app.spec) && shares_sockets(step.spec) && app.online > 0)
        return Action::reload;
      return Action::restart;
    case Takes::restart:
      break;
  }
  return Action::restart;
}

PlanStep step_for(AppSpec wanted, const Present& app, const PlanWishes& wishes) {
  PlanStep step;
  step.name = wanted.name;
  step.spec = std::move(wanted);
  // With another rule what it was started with does not tell what it would have inherited.
  if (!wishes.update_env && step.spec.inherit_env == app.spec.inherit_env) {
    const Env own = own_variables(step.spec);
    set_env(step.spec, shell_env(app.spec), own);
  }
  step.changes = differences(app.spec, step.spec);
  step.action = action_for(app, step);
  step.adopts = step.spec.origin != app.spec.origin;
  step.rests = (app.rests && step.spec.job) || (app.running == 0 && !step.spec.autostart);
  if (step.rests && step.action == Action::restart) step.action = Action::in_place;
  if (app.running == 0 && !step.rests) {
    const InstanceState state = app.not_running->state;
    const bool stays = state == InstanceState::stopped || step.changes.empty();
    if (wishes.keep_stopped && stays) {
      if (step.action != Action::none) step.action = Action::in_place;
      step.why = fmt::format("it is {}, and stays so", to_string(state));
    } else {
      step.action = Action::restart;
      step.why = fmt::format("it is {}", to_string(state));
    }
  }
  return step;
}

std::string_view effect_text(Action action) {
  switch (action) {
    case Action::none:
      return "nothing to do";
    case Action::in_place:
      return "changed in place, its processes go on";
    case Action::reload:
      return "reload, without a gap";
    case Action::restart:
      return "restart";
    case Action::start:
      return "start";
    case Action::remove:
      break;
  }
  return "stop and remove";
}

}  // namespace

std::string_view to_string(PlanStep::Action action) noexcept {
  switch (action) {
    case Action::none:
      return "none";
    case Action::in_place:
      return "in place";
    case Action::reload:
      return "reload";
    case Action::restart:
      return "restart";
    case Action::start:
      return "start";
    case Action::remove:
      break;
  }
  return "remove";
}

std::vector<PlanStep> make_plan(std::vector<AppSpec> wanted,
                                const std::vector<InstanceStatus>& present,
                                const PlanWishes& wishes) {
  const std::map<std::string, Present> apps = by_name(present);
  std::vector<PlanStep> plan;
  std::set<std::string> names;
  for (AppSpec& spec : wanted) {
    names.insert(spec.name);
    const auto found = apps.find(spec.name);
    if (found != apps.end()) {
      plan.push_back(step_for(std::move(spec), found->second, wishes));
    } else {
      PlanStep& step = plan.emplace_back();
      step.name = spec.name;
      step.action = Action::start;
      step.why = "it is not there yet";
      step.spec = std::move(spec);
    }
  }
  if (!wishes.prune) return plan;
  for (const auto& [name, app] : apps) {
    if (names.contains(name) || !wishes.prune(app.spec.origin)) continue;
    PlanStep& step = plan.emplace_back();
    step.name = name;
    step.action = Action::remove;
    step.why = "it is no longer in the file";
  }
  return plan;
}

std::string plan_text(const std::vector<PlanStep>& plan) {
  std::string out;
  std::map<Action, int> counts;
  for (const PlanStep& step : plan) {
    ++counts[step.action];
    fmt::format_to(std::back_inserter(out), "{}: {}{}{}\n", step.name, effect_text(step.action),
                   step.why.empty() ? "" : ": ", step.why);
    for (const FieldChange& change : step.changes)
      fmt::format_to(std::back_inserter(out), "    {}: {} -> {}{}\n", change.field,
                     with_unit(change.field, change.from), with_unit(change.field, change.to),
                     change.takes == Takes::in_place
                         ? ""
                         : fmt::format("  (takes a {})", to_string(change.takes)));
  }
  std::vector<std::string> parts;
  for (const auto& [action, verb] : {std::pair(Action::start, "start"),
                                     {Action::restart, "restart"},
                                     {Action::reload, "reload"},
                                     {Action::in_place, "change in place"},
                                     {Action::remove, "remove"}}) {
    if (counts[action] > 0) parts.push_back(fmt::format("{} to {}", counts[action], verb));
  }
  if (parts.empty()) return out + "Nothing to do.\n";
  return out + fmt::format("{}; {} as wished.\n", fmt::join(parts, ", "), counts[Action::none]);
}

std::string plan_json(const std::vector<PlanStep>& plan) {
  nlohmann::json apps = nlohmann::json::array();
  for (const PlanStep& step : plan) {
    nlohmann::json changes = nlohmann::json::array();
    for (const FieldChange& change : step.changes)
      changes.push_back({{"field", change.field},
                         {"from", change.from},
                         {"to", change.to},
                         {"takes", to_string(change.takes)}});
    apps.push_back({{"name", step.name},
                    {"action", to_string(step.action)},
                    {"why", step.why},
                    {"changes", std::move(changes)}});
  }
  return nlohmann::json{{"schema", 1}, {"apps", std::move(apps)}}.dump() + "\n";
}

}  // namespace pmx::cli
