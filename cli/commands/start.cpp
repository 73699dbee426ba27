// pmx start: configuration files, names of what exists, scripts and commands.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <set>

#include "cli/commands/commands.h"
#include "cli/commands/config_targets.h"
#include "cli/commands/start_options.h"
#include "cli/commands/targets.h"
#include "common/config/launch.h"

namespace pmx::cli {
namespace {

constexpr const char* kDefaultFile = "ecosystem.config.json";

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

// An app of these states is restarted; the daemon's Start would call it already running.
bool is_running(InstanceState state) {
  return state != InstanceState::stopped && state != InstanceState::errored;
}

bool start_existing(Context& context, const std::string& target, const StartOptions& options) {
  std::optional<Env> env;
  if (options.update_env) env = current_environment();
  const auto started = act_on(context, "Starting", target, [&](const std::string& one) {
    return context.daemon().call<protocol::Restart>({.target = one, .env = env});
  });
  return report_errored(context, started);
}

// Apps of a file that run are restarted with the file's environment, the others started.
bool start_file(Context& context, const std::string& file, const StartOptions& options) {
  std::set<std::string> running;
  for (const InstanceStatus& one : context.list_all()) {
    if (is_running(one.state)) running.insert(one.name);
  }
  const auto is_to_restart = [&](const LaunchRequest& app) {
    return !options.force && running.count(app.options.name) != 0;
  };
  const std::vector<LaunchRequest> apps =
      apps_of(context, file, options.only, options.env_name.value_or(""));
  std::vector<LaunchRequest> missing;
  std::remove_copy_if(apps.begin(), apps.end(), std::back_inserter(missing), is_to_restart);
  bool all_well = true;
  std::vector<AppSpec> specs = specs_of(context, missing, all_well);
  for (const LaunchRequest& app : apps) {
    if (!is_to_restart(app)) continue;
    const auto restarted =
        act_on(context, "Restarting", app.options.name, [&](const std::string& one) {
          return context.daemon().call<protocol::Restart>({.target = one, .env = app.env});
        });
    all_well = report_errored(context, restarted) && all_well;
  }
  if (specs.empty()) return all_well;
  return start_apps(context, std::move(specs), options.force, !options.no_autostart) && all_well;
}

bool start_one(Context& context, const std::string& target, const StartOptions& options,
               const std::vector<std::string>& app_args) {
  if (is_config_target(target)) return start_file(context, target, options);
  if (is_number(target)) return start_existing(context, target, options);
  const bool may_exist = target == "all" || looks_like_name(target);
  if (may_exist && !options.force && !context.find(target).empty()) {
    return start_existing(context, target, options);
  }
  if (target == "all")
    throw Error(ErrorCode::not_found, "no app is in the list", "pmx start app.js adds one");
  std::vector<AppSpec> apps;
  apps.push_back(make_app_spec(launch_request(options, target, app_args)));
  return start_apps(context, std::move(apps), options.force, !options.no_autostart);
}

}  // namespace

int run_start(Context& context, Arguments& arguments) {
  StartOptions options;
  options.declare(arguments);
  context.parse(arguments);
  if (options.targets.empty()) {
    if (absolute_if_file(kDefaultFile).empty()) {
      throw Error(ErrorCode::not_found,
                  fmt::format("nothing to start, and no {} here", kDefaultFile),
                  "pmx start app.js, or pmx start apps.json");
    }
    options.targets.emplace_back(kDefaultFile);
  }
  bool all_well = true;
  for (const std::string& target : options.targets) {
    all_well = start_one(context, target, options, arguments.app_args());
    if (!all_well) break;
  }
  context.show_list();
  return all_well ? 0 : 1;
}

}  // namespace pmx::cli
