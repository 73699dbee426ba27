// pmx start: configuration files, names of what exists, scripts and commands.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <set>
#include <utility>

#include "cli/commands/apply.h"
#include "cli/commands/attached_logs.h"
#include "cli/commands/change_settings.h"
#include "cli/commands/commands.h"
#include "cli/commands/config_targets.h"
#include "cli/commands/log_defaults.h"
#include "cli/commands/run.h"
#include "cli/commands/start_options.h"
#include "cli/commands/targets.h"
#include "common/config/ecosystem_export.h"
#include "common/config/launch.h"
#include "common/config/paths.h"
#include "common/sys/file.h"

namespace pmx::cli {
namespace {

// What `pmx start` alone looks for, in this order.
constexpr auto kDefaultFiles = std::to_array<const char*>(
    {"ecosystem.config.js", "ecosystem.config.cjs", "ecosystem.config.mjs", "ecosystem.config.json",
     "ecosystem.json", "ecosystem.yaml", "ecosystem.yml", "ecosystem.toml"});

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

// The app as a configuration file in the present directory.
void write_file(const Context& context, const std::vector<AppSpec>& apps) {
  const std::string file = file_stem_of(apps.front().name) + "-pmx.json";
  constexpr mode_t kMode = 0644;
  sys::replace_file("./" + file, export_json(apps), kMode);
  context.output.info(fmt::format("Written to {}", file));
}

// Apps that a target means, each in a file of its own.
void write_existing(Context& context, const std::string& target) {
  std::set<std::string> written;
  for (const InstanceStatus& one : context.find(target, true)) {
    if (one.detail && written.insert(one.name).second) write_file(context, {one.detail->spec});
  }
}

void refuse_options_of_files(const StartOptions& options, const std::string& target) {
  for (const auto& [option, value] :
       {std::pair("--only", &options.only), {"--env", &options.env_name}}) {
    if (*value)
      throw UsageError(
          fmt::format("{} is for configuration files, which {} is not", option, target));
  }
}

bool restart_existing(Context& context, const std::string& target, const StartOptions& options,
                      const std::vector<std::string>& app_args) {
  if (has_settings(options, app_args)) {
    StartOptions one = options;
    one.targets = {target};
    ApplyOptions how;
    how.wait = !options.no_wait;
    return change_settings(context, one, app_args, PlanStep::Action::restart, how);
  }
  std::optional<Env> env;
  if (options.update_env) env = inheritable(current_environment());
  const auto started = act_on(context, "Starting", target, [&](const std::string& one) {
    return context.daemon().call<protocol::Restart>(
        {.target = one, .env = env, .wait = !options.no_wait});
  });
  return report_errored(context, started);
}

bool start_existing(Context& context, const std::string& target, const StartOptions& options,
                    const std::vector<std::string>& app_args) {
  refuse_options_of_files(options, target);
  if (options.force)
    throw UsageError(
        fmt::format("{} is in the list already, --force starts a script once more", target),
        "pmx start SCRIPT -f, or pmx scale NAME +1");
  const bool all_well = restart_existing(context, target, options, app_args);
  if (options.write) write_existing(context, target);
  return all_well;
}

// Apps of a file that run are restarted with all that the file says, the others started.
bool start_file(Context& context, const std::string& file, const StartOptions& options) {
  // First: what is wrong with a file needs no daemon to be told.
  const std::vector<LaunchRequest> apps =
      apps_of(context, file, options.only, options.env_name.value_or(""));
  bool all_well = true;
  std::vector<AppSpec> specs = specs_of(context, apps, all_well);
  if (specs.empty()) return all_well;
  if (options.force)
    return start_apps(context, std::move(specs), true, !options.no_autostart, !options.no_wait) &&
           all_well;
  std::vector<PlanStep> plan = make_plan(std::move(specs), context.list_all(true),
                                         {.update_env = options.update_env, .prune = {}});
  for (PlanStep& step : plan) {
    if (step.action != PlanStep::Action::start && !step.rests)
      step.action = PlanStep::Action::restart;
  }
  announce(context, plan);
  ApplyOptions how;
  how.autostart = !options.no_autostart;
  how.wait = !options.no_wait;
  return carry_out(context, std::move(plan), how) && all_well;
}

bool start_one(Context& context, const std::string& target, const StartOptions& options,
               const std::vector<std::string>& app_args) {
  if (is_config_target(target)) return start_file(context, target, options);
  if (is_number(target)) return start_existing(context, target, options, app_args);
  const bool may_exist = target == "all" || looks_like_name(target);
  if (may_exist && !options.force && !context.find(target).empty()) {
    return start_existing(context, target, options, app_args);
  }
  if (target == "all")
    throw Error(ErrorCode::not_found, "no app is in the list", "pmx start app.js adds one");
  std::vector<AppSpec> apps;
  apps.push_back(
      spec_of(context, launch_request(options, target, app_args, default_log_limits(context))));
  for (const InstanceStatus& other : context.find(apps.front().name, true)) {
    if (other.name != apps.front().name || !other.detail ||
        other.detail->spec.script == apps.front().script)
      continue;
    context.output.warn(
        fmt::format("another app is named {} too: {}", other.name, other.detail->spec.script));
    context.output.warn("commands by name mean both; --name gives this one a name of its own");
    break;
  }
  const std::vector<AppSpec> written = options.write ? apps : std::vector<AppSpec>();
  const bool all_well =
      start_apps(context, std::move(apps), options.force, !options.no_autostart, !options.no_wait);
  if (all_well && options.write) write_file(context, written);
  return all_well;
}

}  // namespace

int run_start(Context& context, Arguments& arguments) {
  StartOptions options;
  bool attach = false;
  bool no_daemon = false;
  options.declare(arguments);
  arguments.flag("--attach", attach, "then show what they print, until Ctrl-C");
  arguments.flag("--no-daemon", no_daemon, "stay: apps and daemon end with this command");
  context.parse(arguments);
  if (options.targets.empty()) {
    const auto* const found =
        std::find_if(kDefaultFiles.begin(), kDefaultFiles.end(),
                     [](const char* file) { return !absolute_if_file(file).empty(); });
    if (found == kDefaultFiles.end()) {
      throw Error(ErrorCode::not_found,
                  fmt::format("nothing to start, and no {} here", kDefaultFiles.front()),
                  "pmx start app.js, or pmx start apps.json");
    }
    options.targets.emplace_back(*found);
  }
  if (no_daemon && context.running_daemon(true) == nullptr) {
    context.output.stream();
    ForegroundOptions how;
    how.format = LogFormat::text;
    how.timestamp = "HH:mm:ss";
    how.has_files = true;
    how.auto_exit = false;
    return run_foreground(context, options, arguments.app_args(), std::move(how));
  }
  if (no_daemon) context.output.warn("a daemon runs already: the apps are its own and stay");
  std::optional<AttachedLogs> logs;
  if (attach || no_daemon) logs.emplace(context);
  bool all_well = true;
  for (const std::string& target : options.targets) {
    all_well = start_one(context, target, options, arguments.app_args());
    if (!all_well) break;
  }
  context.show_list();
  if (all_well && logs) {
    context.output.stream();
    std::fflush(stdout);
    logs->follow();
  }
  return all_well ? 0 : 1;
}

}  // namespace pmx::cli
