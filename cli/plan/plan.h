// Plan: what brings the apps that are there to what a configuration file says.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/plan/spec_diff.h"
#include "common/model/instance_status.h"

namespace pmx::cli {

struct PlanStep {
  enum class Action { none, in_place, reload, restart, start, remove };

  std::string name;
  Action action = Action::none;
  std::string why;  // empty: the changes say it
  std::vector<FieldChange> changes;
  std::string renames = {};  // the name that it has so far, if `name` is a new one
  bool rests = false;        // a job between its runs, or not to be started: no process to replace
  bool adopts = false;  // it has been of another file, or of none: is told, even if nothing changes
  AppSpec spec;         // as it shall be; not of remove
};
std::string_view to_string(PlanStep::Action action) noexcept;  // "in place", and by these names

struct PlanWishes {
  bool update_env = false;  // take over this shell's environment, too
  // Which files (AppSpec::origin) must list their apps: those that they no longer list go. Empty: none.
  std::function<bool(const std::string& file)> prune;
  // What was stopped stays so, and what has failed is not tried again with the same settings.
  bool keep_stopped = false;
};

// `present`: all instances, with their details.
std::vector<PlanStep> make_plan(std::vector<AppSpec> wanted,
                                const std::vector<InstanceStatus>& present,
                                const PlanWishes& wishes);

// For people: one paragraph for each step, and a last line that counts them.
std::string plan_text(const std::vector<PlanStep>& plan);
// {"schema": 1, "apps": [{"name", "action", "why", "changes": [{"field", "from", "to", "takes"}]}]}
std::string plan_json(const std::vector<PlanStep>& plan);

}  // namespace pmx::cli
