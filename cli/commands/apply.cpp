// pmx plan and apply: what a configuration file would change, and changing it.
#include "cli/commands/apply.h"

#include <fmt/format.h>

#include <utility>

#include "cli/commands/commands.h"
#include "cli/commands/config_targets.h"
#include "cli/commands/targets.h"

namespace pmx::cli {
namespace {

using Action = PlanStep::Action;

struct Options {
  std::vector<std::string> files;
  std::optional<std::string> only, env_name;
  bool prune = false;
  bool update_env = false;

  void declare(Arguments& arguments) {
    arguments.words("file", files, 1, 1);
    arguments.text("--only", only, "NAMES", "these apps of the file only");
    arguments.text("--env", env_name, "NAME", "variables of env_NAME too");
    arguments.flag("--prune", prune, "remove apps that are no longer in the file");
    arguments.flag("--update-env", update_env, "take over this shell's environment, too");
  }
};

std::vector<PlanStep> plan_of(Context& context, const Options& options) {
  bool all_well = true;
  std::vector<AppSpec> specs = specs_of(
      context, apps_of(context, options.files.front(), options.only, options.env_name.value_or("")),
      all_well);
  if (!all_well) throw Error(ErrorCode::invalid_spec, "nothing has been changed");
  if (options.prune && options.only)
    throw UsageError("--prune and --only contradict each other: what is left out is not unwanted");
  PlanWishes wishes;
  wishes.update_env = options.update_env;
  if (options.prune) wishes.prune = absolute_if_file(options.files.front());
  if (options.prune && wishes.prune.empty())
    throw UsageError("--prune needs a file: what comes by standard input has no name");
  // Without a database no daemon has anything.
  const bool may_have_apps =
      context.running_daemon() != nullptr || !absolute_if_file(context.paths().database()).empty();
  const std::vector<InstanceStatus> present =
      may_have_apps ? context.list_all(true) : std::vector<InstanceStatus>();
  return make_plan(std::move(specs), present, wishes);
}

void show(const Context& context, const std::vector<PlanStep>& plan) {
  if (context.global.json) {
    context.output.data(plan_json(plan));
  } else {
    context.output.payload(plan_text(plan));
  }
}

std::optional<Effect> effect_of(Action action) {
  switch (action) {
    case Action::in_place:
      return Effect::in_place;
    case Action::reload:
      return Effect::reload;
    case Action::restart:
      return Effect::restart;
    case Action::start:
      return Effect::start;
    case Action::none:
    case Action::remove:
      break;
  }
  return std::nullopt;
}

}  // namespace

void announce(const Context& context, const std::vector<PlanStep>& plan) {
  for (const PlanStep& step : plan) {
    switch (step.action) {
      case Action::none:
        break;
      case Action::in_place:
        context.output.info("Changing " + step.name);
        break;
      case Action::reload:
        context.output.info("Reloading " + step.name);
        break;
      case Action::restart:
        context.output.info("Restarting " + step.name);
        break;
      case Action::start:
        context.output.info(fmt::format("Starting {} in {}_mode ({} instance{})", step.spec.script,
                                        to_string(step.spec.exec_mode), step.spec.instances,
                                        step.spec.instances == 1 ? "" : "s"));
        break;
      case Action::remove:
        context.output.info("Removing " + step.name);
        break;
    }
  }
}

bool carry_out(Context& context, std::vector<PlanStep> plan, const ApplyOptions& options) {
  protocol::Apply::Request request;
  request.autostart = options.autostart;
  request.wait = options.wait;
  request.parallel = options.parallel;
  request.rollback = options.rollback;
  for (PlanStep& step : plan) {
    if (step.action == Action::remove) request.remove.push_back(step.name);
    if (const auto effect = effect_of(step.action))
      request.changes.push_back({std::move(step.spec), *effect});
  }
  if (request.changes.empty() && request.remove.empty()) return true;
  const auto response =
      context.daemon().call<protocol::Apply>(request, [&](const protocol::Progress& progress) {
        context.output.remark(
            fmt::format("[{}]({}) {}", progress.name, progress.pm_id, progress.text));
      });
  bool all_well = true;
  for (const protocol::Start::Outcome& outcome : response.outcomes) {
    if (outcome.error.empty()) {
      for (const InstanceStatus& one : outcome.instances) context.output.done(one);
    } else {
      context.output.error(fmt::format("[{}] {}", outcome.name, outcome.error), outcome.hint);
      all_well = false;
    }
  }
  return all_well;
}

int run_plan(Context& context, Arguments& arguments) {
  Options options;
  options.declare(arguments);
  context.parse(arguments);
  const std::vector<PlanStep> plan = plan_of(context, options);
  show(context, plan);
  return 0;
}

int run_apply(Context& context, Arguments& arguments) {
  Options options;
  ApplyOptions how;
  bool no_wait = false;
  bool no_rollback = false;
  options.declare(arguments);
  arguments.flag("--no-wait", no_wait, "do not wait until they are ready");
  arguments.number("--parallel", how.parallel, "N",
                   "new processes beside the old ones at a time (the app's max_surge)");
  arguments.flag("--no-rollback", no_rollback,
                 "after a failure keep what has been replaced with the new settings");
  context.parse(arguments);
  if (how.parallel && *how.parallel < 1) throw UsageError("--parallel is a number from 1 on");
  how.wait = !no_wait;
  if (no_rollback) how.rollback = false;
  std::vector<PlanStep> plan = plan_of(context, options);
  show(context, plan);
  return carry_out(context, std::move(plan), how) ? 0 : 1;
}

}  // namespace pmx::cli
