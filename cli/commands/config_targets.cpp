#include "cli/commands/config_targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/commands/log_defaults.h"
#include "cli/commands/serve.h"
#include "cli/commands/targets.h"
#include "cli/config/config_file.h"
#include "common/base/text.h"
#include "common/config/words.h"

namespace pmx::cli {
namespace {

std::vector<std::string> names_in(std::string list) {
  std::replace(list.begin(), list.end(), ',', ' ');
  return split_words(list);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool is_config_target(const std::string& target) {
  return target == "-" || looks_like_config(target);
}

EcosystemContext ecosystem_context(Context& context, const std::string& env_name) {
  return {.current_dir = std::filesystem::current_path().string(),
          .environment = current_environment(),
          .env_name = env_name,
          .log_limits = default_log_limits(context),
          .serve_program = serve_program()};
}

std::vector<LaunchRequest> apps_of(Context& context, const std::string& target,
                                   const std::optional<std::string>& only,
                                   const std::string& env_name) {
  Ecosystem file = read_ecosystem(target, ecosystem_context(context, env_name));
  for (const std::string& warning : file.warnings) context.output.warn(warning);
  const std::string origin = absolute_if_file(target);
  for (LaunchRequest& app : file.apps) app.options.origin = origin;
  if (!only) return std::move(file.apps);

  const std::vector<std::string> wanted = names_in(*only);
  std::vector<std::string> known;
  for (const LaunchRequest& app : file.apps) {
    known.push_back(app.options.name);
    known.push_back(app.listed_name);
  }
  for (const std::string& name : wanted) {
    if (contains(known, name)) continue;
    const auto near = nearest(name, known);
    context.output.warn(fmt::format("{} has no app {}{}", target, name,
                                    near ? fmt::format("; did you mean {}?", *near) : ""));
  }
  std::erase_if(file.apps, [&](const LaunchRequest& app) {
    return !contains(wanted, app.options.name) && !contains(wanted, app.listed_name);
  });
  return std::move(file.apps);
}

std::vector<std::string> expand_config_files(Context& context,
                                             const std::vector<std::string>& targets,
                                             const std::optional<std::string>& only) {
  std::vector<std::string> expanded;
  for (const std::string& target : targets) {
    if (!is_config_target(target)) {
      expanded.push_back(target);
      continue;
    }
    for (const LaunchRequest& app : apps_of(context, target, only)) {
      if (!contains(expanded, app.options.name)) expanded.push_back(app.options.name);
    }
  }
  return expanded;
}

}  // namespace pmx::cli
