#include "cli/commands/targets.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "cli/log_path_check.h"
#include "common/base/text.h"
#include "common/config/settings.h"
#include "common/config/words.h"

namespace pmx::cli {
namespace {

protocol::ActedResponse act_by_name_or_path(const std::string& target, const Act& act) {
  try {
    return act(target);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    const std::string path = absolute_if_file(target);
    if (path.empty() || path == target) throw;
    return act(path);
  }
}

bool is_known(Context& context, const std::string& target) {
  if (!context.find(target).empty()) return true;
  const std::string path = absolute_if_file(target);
  return !path.empty() && path != target && !context.find(path).empty();
}

// Several are started at once: which one is it?
std::string named(const protocol::Start::Outcome& outcome) {
  const bool has_name = outcome.error.starts_with(outcome.name);
  return has_name ? outcome.error : fmt::format("[{}] {}", outcome.name, outcome.error);
}

// Names that are targets of another kind too.
void warn_of_name(const Context& context, const std::string& name) {
  const bool is_number = parse_integer(name).has_value();
  if (name == "all") context.output.warn("an app is named all: as a target, all means every app");
  if (is_number)
    context.output.warn(fmt::format(
        "an app is named {}: as a target, {} means this app, not the instance with that id", name,
        name));
  if (name == "all" || is_number)
    context.output.warn("another name can be told apart: --name, or name in the file");
}

[[noreturn]] void rethrow_with_near_name(Context& context, const std::string& target,
                                         const Error& error) {
  std::vector<std::string> names;
  for (const InstanceStatus& one : context.list_all()) names.push_back(one.name);
  const auto near = nearest(target, names);
  throw Error(error.code(), error.what(),
              near ? fmt::format("did you mean {}?", *near) : error.hint());
}

}  // namespace

std::string absolute_if_file(const std::string& path) {
  std::error_code ignored;
  if (path.empty() || !std::filesystem::exists(path, ignored)) return {};
  return std::filesystem::absolute(path, ignored).lexically_normal().string();
}

std::vector<InstanceStatus> act_on(Context& context, const std::string& verb,
                                   const std::string& target, const Act& act) {
  // What is wrong with it is the daemon's to say, and nothing is announced before.
  if (is_known(context, target)) context.output.info(fmt::format("{} {}", verb, target));
  protocol::ActedResponse response;
  try {
    response = act_by_name_or_path(target, act);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    rethrow_with_near_name(context, target, error);
  }
  for (const std::string& note : response.notes) context.output.info(note);
  for (const InstanceStatus& one : response.instances) context.output.done(one);
  return std::move(response.instances);
}

bool start_apps(Context& context, std::vector<AppSpec> apps, bool force, bool autostart,
                bool wait) {
  for (const AppSpec& app : apps) {
    context.output.info(fmt::format(
        "{} {} in {}_mode ({} instance{})", autostart ? "Starting" : "Adding, stopped,", app.script,
        to_string(app.exec_mode), app.instances, app.instances == 1 ? "" : "s"));
  }
  const auto started = context.daemon().call<protocol::Start>(
      {.apps = std::move(apps), .force = force, .autostart = autostart, .wait = wait});
  bool all_well = true;
  for (const protocol::Start::Outcome& outcome : started.outcomes) {
    if (outcome.error.empty()) {
      for (const InstanceStatus& one : outcome.instances) context.output.done(one);
    } else {
      context.output.error(named(outcome), outcome.hint);
      all_well = false;
    }
  }
  return all_well;
}

AppSpec spec_of(Context& context, const LaunchRequest& app) {
  AppSpec spec = make_app_spec(app);
  warn_of_name(context, spec.name);
  for (const auto& [name, value] :
       Settings::load(context.paths().settings()).variables_of(spec.name)) {
    spec.env[name] = value;
    spec.own_env.insert(name);
  }
  check_log_paths(context.paths(), spec);
  const std::string remark = app.exec_mode ? std::string() : sharing_remark(spec);
  if (!remark.empty())
    context.output.remark(fmt::format(
        "{}. {}--listen passes them a socket, if it takes LISTEN_FDS; -x means copies", remark,
        seccomp_would_share(spec) ? "--bind-via seccomp has them share what they bind; " : ""));
  return spec;
}

std::vector<AppSpec> specs_of(Context& context, const std::vector<LaunchRequest>& apps,
                              bool& all_well) {
  std::vector<AppSpec> specs;
  for (const LaunchRequest& app : apps) {
    try {
      specs.push_back(spec_of(context, app));
    } catch (const Error& error) {
      context.output.error(fmt::format("[{}] {}", app.options.name, error.what()), error.hint());
      all_well = false;
    }
  }
  return specs;
}

bool report_errored(Context& context, const std::vector<InstanceStatus>& instances) {
  bool all_well = true;
  for (const InstanceStatus& one : instances) {
    if (one.state != InstanceState::errored) continue;
    context.output.error(fmt::format("[{}]({}) is errored: {}", one.name, one.pm_id, one.reason));
    all_well = false;
  }
  return all_well;
}

}  // namespace pmx::cli
