// pmx restart and reload.
#include <fmt/format.h>

#include <algorithm>

#include "cli/commands/apply.h"
#include "cli/commands/change_settings.h"
#include "cli/commands/commands.h"
#include "cli/commands/config_targets.h"
#include "cli/commands/start_options.h"
#include "cli/commands/targets.h"
#include "common/config/launch.h"

namespace pmx::cli {
namespace {

bool act_on_instances(Context& context, const std::string& verb, const std::string& target,
                      const Act& act) {
  return report_errored(context, act_on(context, verb, target, act));
}

// Brings the file's apps to all that it says: those that exist by `action`, the others by a start.
bool act_on_file(Context& context, const std::string& file, const StartOptions& options,
                 PlanStep::Action action, const ApplyOptions& how) {
  bool all_well = true;
  std::vector<AppSpec> specs = specs_of(
      context, apps_of(context, file, options.only, options.env_name.value_or("")), all_well);
  std::vector<PlanStep> plan = make_plan(std::move(specs), context.list_all(true),
                                         {.update_env = options.update_env, .prune = {}});
  for (PlanStep& step : plan) {
    const bool must_restart = step.action == PlanStep::Action::restart && !step.changes.empty();
    if (step.action != PlanStep::Action::start && !must_restart && !step.rests)
      step.action = action;
  }
  announce(context, plan);
  return carry_out(context, std::move(plan), how) && all_well;
}

int act_on_all(Context& context, const std::string& verb, const StartOptions& options,
               const std::vector<std::string>& app_args, PlanStep::Action action,
               const ApplyOptions& how, const std::function<Act(std::optional<Env>)>& make_act) {
  if (options.targets.empty())
    throw Error(ErrorCode::invalid_request, "missing argument: target",
                "a name, an id, a namespace, a file or all");
  if (options.env_name && std::ranges::none_of(options.targets, is_config_target))
    throw UsageError("--env chooses variables of a configuration file",
                     "--update-env takes over those of this shell");
  if (has_settings(options, app_args))
    return change_settings(context, options, app_args, action, how) ? 0 : 1;
  std::optional<Env> env;
  if (options.update_env) env = inheritable(current_environment());
  for (const std::string& target : options.targets) {
    const bool well = is_config_target(target)
                          ? act_on_file(context, target, options, action, how)
                          : act_on_instances(context, verb, target, make_act(env));
    if (!well) return 1;
  }
  return 0;
}

}  // namespace

int run_restart(Context& context, Arguments& arguments) {
  StartOptions options;
  std::optional<int> parallel;
  options.declare(arguments);
  arguments.number("--parallel", parallel, "N", "accepted for pm2's sake, without effect");
  context.parse(arguments);
  const bool no_wait = options.no_wait;
  ApplyOptions how;
  how.wait = !no_wait;
  const auto restart = [&](std::optional<Env> env) -> Act {
    return [&context, env = std::move(env), no_wait](const std::string& target) {
      return context.daemon().call<protocol::Restart>(
          {.target = target, .env = env, .wait = !no_wait});
    };
  };
  const int code = act_on_all(context, "Restarting", options, arguments.app_args(),
                              PlanStep::Action::restart, how, restart);
  context.show_list();
  return code;
}

int run_reload(Context& context, Arguments& arguments) {
  StartOptions options;
  std::optional<int> parallel;
  bool no_rollback = false;
  options.declare(arguments);
  arguments.number("--parallel", parallel, "N",
                   "new processes beside the old ones at a time (the app's max_surge)");
  arguments.flag("--no-rollback", no_rollback,
                 "after a failure keep what has been replaced with the new settings");
  context.parse(arguments);
  if (parallel && *parallel < 1)
    throw Error(ErrorCode::invalid_request, fmt::format("--parallel {} is not possible", *parallel),
                "at least 1 new process is started at a time");
  ApplyOptions how;
  how.parallel = parallel;
  if (no_rollback) how.rollback = false;
  const auto reload = [&](std::optional<Env> env) -> Act {
    protocol::Reload::Request request;
    request.env = std::move(env);
    request.parallel = parallel;
    if (no_rollback) request.rollback = false;
    return [&context, request = std::move(request)](const std::string& target) mutable {
      request.target = target;
      return context.daemon().call<protocol::Reload>(
          request, [&](const protocol::Progress& progress) {
            context.output.remark(
                fmt::format("[{}]({}) {}", progress.name, progress.pm_id, progress.text));
          });
    };
  };
  return act_on_all(context, "Reloading", options, arguments.app_args(), PlanStep::Action::reload,
                    how, reload);
}

}  // namespace pmx::cli
