#include "cli/commands/change_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <set>
#include <utility>

#include "cli/commands/config_targets.h"
#include "cli/commands/targets.h"
#include "cli/log_path_check.h"
#include "cli/plan/units.h"
#include "common/base/text.h"
#include "common/config/cpu_count.h"
#include "common/config/executable_search.h"
#include "common/config/launch.h"
#include "common/config/paths.h"
#include "common/config/user_variables.h"

namespace pmx::cli {
namespace {

std::string log_path(const std::string& path, const std::string& cwd) {
  if (path.empty() || path == "NULL") return path.empty() ? path : "/dev/null";
  return absolute_path(path, cwd);
}

bool has_job_settings(const StartOptions& options) {
  JobSpec job;
  set_job(options, job);
  return job != JobSpec() || options.job || options.schedule;
}

std::vector<InstanceStatus> instances_of_one_app(Context& context,
                                                 const std::vector<std::string>& targets) {
  if (targets.size() != 1)
    throw UsageError("settings are changed of one app at a time",
                     "without them, several targets are possible");
  const std::string& target = targets.front();
  if (is_config_target(target))
    throw UsageError(fmt::format("{}: the settings of its apps are in the file", target),
                     "change it there; pmx plan shows what would follow");
  std::vector<InstanceStatus> found = context.find(target, true);
  if (found.empty()) {
    const std::string path = absolute_if_file(target);
    if (!path.empty()) found = context.find(path, true);
  }
  if (found.empty())
    throw Error(ErrorCode::not_found, fmt::format("{} does not exist", target),
                "pmx list shows what does");
  std::set<std::string> names;
  for (const InstanceStatus& one : found) names.insert(one.name);
  if (names.size() > 1)
    throw UsageError(fmt::format("settings are changed of one app at a time; {} means {}", target,
                                 fmt::join(names, ", ")),
                     "name one of them");
  return found;
}

// `count`: instances that there are.
AppSpec changed_spec(const AppSpec& present, int count, const StartOptions& options,
                     const std::vector<std::string>& app_args) {
  AppSpec spec = present;
  spec.instances = count;
  set_attributes(options, spec);
  // As pm2: said of an app that is watched already, it ends that.
  if (options.watch && options.watch->empty() && present.watch) spec.watch = false;
  if (!app_args.empty()) spec.args = app_args;
  if (options.instances) {
    spec.instances = resolve_instances(*options.instances, usable_cores());
    spec.instances_given = true;
  }
  if (options.execute_command) spec.exec_mode = ExecMode::fork;
  if (options.cwd) spec.cwd = absolute_path(*options.cwd, std::filesystem::current_path().string());
  if (options.interpreter) {
    spec.interpreter = *options.interpreter;
    spec.interpreter_path.clear();
    resolve_interpreter(spec);
  }
  if (options.out_file) spec.out_file = log_path(spec.out_file, spec.cwd);
  if (options.error_file) spec.error_file = log_path(spec.error_file, spec.cwd);
  if (options.log_file && spec.log_file) spec.log_file = log_path(*spec.log_file, spec.cwd);
  if (options.pid_file) spec.pid_file = absolute_path(spec.pid_file, spec.cwd);
  for (std::string& path : spec.watch_paths) path = absolute_path(path, spec.cwd);
  if (spec.job) set_job(options, *spec.job);
  if (options.uid || options.gid) set_user_variables(spec);
  if (options.update_env) merge_shell(spec, inheritable(current_environment()));
  if (!options.filter_env.empty()) set_env(spec, shell_env(spec), own_variables(spec));
  return spec;
}

// As in pm2 its files keep their names.
void rename(PlanStep& step, const std::string& name, const Paths& paths) {
  AppSpec& spec = step.spec;
  const std::string logs = fmt::format("{}/{}", paths.logs(), file_stem_of(spec.name));
  if (spec.out_file.empty()) spec.out_file = logs + "-out.log";
  if (spec.error_file.empty()) spec.error_file = logs + "-error.log";
  if (spec.log_file && spec.log_file->empty()) spec.log_file = logs + ".log";
  if (spec.pid_file.empty())
    spec.pid_file = fmt::format("{}/{}.pid", paths.pids(), file_stem_of(spec.name));
  step.changes.push_back({"name", spec.name, name, Takes::in_place});
  step.renames = spec.name;
  step.name = spec.name = name;
  if (step.action == PlanStep::Action::none) step.action = PlanStep::Action::in_place;
}

}  // namespace

bool has_settings(const StartOptions& options, const std::vector<std::string>& app_args) {
  AppSpec spec;
  set_attributes(options, spec);
  return spec != AppSpec() || options.name || options.instances || options.interpreter ||
         options.cwd || options.cron_restart || options.log_type || options.execute_command ||
         options.source_maps || !options.env_files.empty() || has_job_settings(options) ||
         !app_args.empty();
}

bool change_settings(Context& context, const StartOptions& options,
                     const std::vector<std::string>& app_args, PlanStep::Action action,
                     const ApplyOptions& how) {
  const std::vector<InstanceStatus> found = instances_of_one_app(context, options.targets);
  const InstanceStatus& one = found.front();
  if (!one.detail) throw Error(ErrorCode::internal, "the daemon tells no details");
  if (!one.detail->spec.job && has_job_settings(options))
    throw UsageError("an app does not become a job", "delete it and start it anew");
  if (!options.env_files.empty())
    throw UsageError("--env-file is for what is started anew",
                     "in a configuration file: env_file, which pmx apply follows");
  if (options.source_maps)
    throw UsageError("--source-map-support is for what is started anew",
                     "--interpreter-args --enable-source-maps");
  const std::vector<InstanceStatus> all = context.find(one.name, true);
  AppSpec wanted = changed_spec(one.detail->spec, static_cast<int>(all.size()), options, app_args);
  if (options.out_file || options.error_file || options.log_file)
    check_log_paths(context.paths(), wanted);
  std::vector<PlanStep> plan = make_plan({std::move(wanted)}, context.list_all(true),
                                         {.update_env = options.update_env, .prune = {}});
  for (PlanStep& step : plan) {
    const bool must_restart =
        step.action == PlanStep::Action::restart && (!step.changes.empty() || !step.why.empty());
    if (!must_restart && !step.rests) step.action = action;
    if (options.name && *options.name != one.name) rename(step, *options.name, context.paths());
    for (const FieldChange& change : step.changes)
      context.output.info(fmt::format("{}: {} -> {}", change.field,
                                      with_unit(change.field, change.from),
                                      with_unit(change.field, change.to)));
  }
  announce(context, plan);
  return carry_out(context, std::move(plan), how);
}

}  // namespace pmx::cli
