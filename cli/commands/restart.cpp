// pmx restart and reload.
#include <fmt/format.h>

#include <set>

#include "cli/commands/commands.h"
#include "cli/commands/config_targets.h"
#include "cli/commands/targets.h"

namespace pmx::cli {
namespace {

struct Options {
  std::vector<std::string> targets;
  std::optional<std::string> only;
  std::string env_name;
  bool update_env = false;
};

// `arguments` may know more options than those of both commands.
Options parse(Context& context, Arguments& arguments) {
  Options options;
  bool force = false;
  std::optional<std::string> env_name;
  arguments.words("target", options.targets, 1, Arguments::kAny);
  arguments.flag("--update-env,-a", options.update_env, "take over this shell's environment");
  arguments.flag("-f,--force", force, "accepted for pm2's sake, without effect");
  arguments.text("--only", options.only, "NAMES", "of a configuration file: these apps only");
  arguments.text("--env", env_name, "NAME", "of a configuration file: variables of env_NAME too");
  context.parse(arguments);
  options.env_name = env_name.value_or("");
  return options;
}

bool act_on_instances(Context& context, const std::string& verb, const std::string& target,
                      const Act& act) {
  return report_errored(context, act_on(context, verb, target, act));
}

// Acts on those of the file's apps that exist and starts the others.
bool act_on_file(Context& context, const std::string& verb, const std::string& file,
                 const Options& options, const std::function<Act(std::optional<Env>)>& make_act) {
  std::set<std::string> existing;
  for (const InstanceStatus& one : context.list_all()) existing.insert(one.name);
  std::vector<LaunchRequest> apps = apps_of(context, file, options.only, options.env_name);
  std::vector<LaunchRequest> missing;
  for (const LaunchRequest& app : apps) {
    if (existing.count(app.options.name) == 0) missing.push_back(app);
  }
  bool all_well = true;
  std::vector<AppSpec> specs = specs_of(context, missing, all_well);
  for (LaunchRequest& app : apps) {
    const std::string& name = app.options.name;
    if (existing.count(name) == 0) continue;
    all_well = act_on_instances(context, verb, name, make_act(std::move(app.env))) && all_well;
  }
  if (!specs.empty()) all_well = start_apps(context, std::move(specs), false, true) && all_well;
  return all_well;
}

int act_on_all(Context& context, const std::string& verb, const Options& options,
               const std::function<Act(std::optional<Env>)>& make_act) {
  std::optional<Env> env;
  if (options.update_env) env = current_environment();
  for (const std::string& target : options.targets) {
    const bool well = is_config_target(target)
                          ? act_on_file(context, verb, target, options, make_act)
                          : act_on_instances(context, verb, target, make_act(env));
    if (!well) return 1;
  }
  return 0;
}

}  // namespace

int run_restart(Context& context, Arguments& arguments) {
  const Options options = parse(context, arguments);
  const int code = act_on_all(context, "Restarting", options, [&](std::optional<Env> env) -> Act {
    return [&context, env = std::move(env)](const std::string& target) {
      return context.daemon().call<protocol::Restart>({.target = target, .env = env});
    };
  });
  context.show_list();
  return code;
}

int run_reload(Context& context, Arguments& arguments) {
  std::optional<int> parallel;
  bool no_rollback = false;
  arguments.number("--parallel", parallel, "N",
                   "new processes beside the old ones at a time (the app's max_surge)");
  arguments.flag("--no-rollback", no_rollback,
                 "after a failure keep what has been replaced with the new settings");
  const Options options = parse(context, arguments);
  if (parallel && *parallel < 1)
    throw Error(ErrorCode::invalid_request, fmt::format("--parallel {} is not possible", *parallel),
                "at least 1 new process is started at a time");
  return act_on_all(context, "Reloading", options, [&](std::optional<Env> env) -> Act {
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
  });
}

}  // namespace pmx::cli
