// pmx plan and apply: what a configuration file would change, and changing it.
#include "cli/commands/apply.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <set>
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
  bool keep_stopped = false;
  bool update_env = false;

  void declare(Arguments& arguments) {
    arguments.words("file|directory", files, 1, 1);
    arguments.text("--only", only, "NAMES", "these apps of the file only");
    arguments.text("--env", env_name, "NAME", "variables of env_NAME too");
    arguments.flag("--prune", prune, "remove apps that are no longer in the file");
    arguments.flag("--keep-stopped", keep_stopped, "what is stopped stays stopped");
    arguments.flag("--update-env", update_env, "take over this shell's environment, too");
  }
};

// What is wanted, and by which files.
struct Wanted {
  std::vector<AppSpec> specs;
  std::set<std::string> unread;  // files whose apps are left as they are
  std::string directory;         // whose files they are, with a slash at the end; empty: one file
};

Wanted read_one(Context& context, const Options& options) {
  Wanted wanted;
  bool all_well = true;
  const std::string& file = options.files.front();
  wanted.specs = specs_of(
      context, apps_of(context, file, options.only, options.env_name.value_or("")), all_well);
  if (!all_well) throw Error(ErrorCode::invalid_spec, "nothing has been changed");
  if (options.prune && absolute_if_file(file).empty())
    throw UsageError("--prune needs a file: what comes by standard input has no name");
  return wanted;
}

// The files of a directory count each for itself: one that is broken keeps no other from its apps.
Wanted read_directory(Context& context, const Options& options) {
  namespace fs = std::filesystem;
  Wanted wanted;
  wanted.directory = absolute_if_file(options.files.front()) + "/";
  std::set<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(wanted.directory)) {
    const std::string kind = entry.path().extension().string();
    const bool is_hidden = entry.path().filename().string().starts_with('.');
    if (!is_hidden && (kind == ".json" || kind == ".yaml" || kind == ".yml" || kind == ".toml"))
      files.insert(entry.path().string());
  }
  std::map<std::string, std::string> listed;  // where each name was seen first
  for (const std::string& file : files) {
    bool is_well = true;
    try {
      const auto apps = apps_of(context, file, options.only, options.env_name.value_or(""));
      for (AppSpec& spec : specs_of(context, apps, is_well)) {
        const auto [first, is_new] = listed.emplace(spec.name, file);
        if (is_new || first->second == file) {
          wanted.specs.push_back(std::move(spec));
          continue;
        }
        context.output.error(
            fmt::format("{}: app {} is in {} already", file, spec.name, first->second),
            "this one is left out");
        is_well = false;
      }
    } catch (const Error& error) {
      context.output.error(error);
      is_well = false;
    }
    if (!is_well) wanted.unread.insert(file);
  }
  return wanted;
}

// Apps of a file that could not be read must not go for it; those of a file that is gone shall.
std::function<bool(const std::string&)> prune_of(const Wanted& wanted, const std::string& file) {
  if (wanted.directory.empty()) return [file](const std::string& origin) { return origin == file; };
  return [wanted](const std::string& origin) {
    return origin.starts_with(wanted.directory) &&
           origin.find('/', wanted.directory.size()) == std::string::npos &&
           !wanted.unread.contains(origin);
  };
}

// `all_well`: false if a file of a directory could not be read.
std::vector<PlanStep> plan_of(Context& context, const Options& options, bool& all_well) {
  if (options.prune && options.only)
    throw UsageError("--prune and --only contradict each other: what is left out is not unwanted");
  const bool is_directory = std::filesystem::is_directory(options.files.front());
  Wanted wanted = is_directory ? read_directory(context, options) : read_one(context, options);
  all_well = wanted.unread.empty();
  std::vector<AppSpec> specs = std::move(wanted.specs);
  PlanWishes wishes;
  wishes.update_env = options.update_env;
  wishes.keep_stopped = options.keep_stopped;
  if (options.prune) wishes.prune = prune_of(wanted, absolute_if_file(options.files.front()));
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

std::optional<Effect> effect_of(const PlanStep& step) {
  switch (step.action) {
    case Action::in_place:
      return Effect::in_place;
    case Action::reload:
      return Effect::reload;
    case Action::restart:
      return Effect::restart;
    case Action::start:
      return Effect::start;
    case Action::none:
      if (step.adopts) return Effect::in_place;
      break;
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
  std::set<std::string> changed;  // what is only adopted is not worth a word
  request.autostart = options.autostart;
  request.wait = options.wait;
  request.parallel = options.parallel;
  request.rollback = options.rollback;
  for (PlanStep& step : plan) {
    if (step.action == Action::remove) request.remove.push_back(step.name);
    if (step.action != Action::none) changed.insert(step.name);
    if (const auto effect = effect_of(step))
      request.changes.push_back({std::move(step.spec), *effect, std::move(step.renames)});
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
      if (!changed.contains(outcome.name)) continue;
      for (const InstanceStatus& one : outcome.instances) context.output.done(one);
    } else {
      context.output.error(fmt::format("[{}] {}", outcome.name, outcome.error), outcome.hint);
      all_well = false;
    }
  }
  return all_well;
}

namespace {

// All at once, as apps may depend on those of other files; if the daemon refuses that, file by file.
bool carry_out_each(Context& context, std::vector<PlanStep> plan, const ApplyOptions& options) {
  try {
    return carry_out(context, plan, options);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::unavailable) throw;
  }
  std::map<std::string, std::vector<PlanStep>> files;
  for (PlanStep& step : plan) files[step.spec.origin].push_back(std::move(step));
  bool all_well = true;
  for (auto& [file, steps] : files) {
    try {
      all_well = carry_out(context, std::move(steps), options) && all_well;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unavailable) throw;
      context.output.error(fmt::format("{}: {}", file, error.what()), error.hint());
      all_well = false;
    }
  }
  return all_well;
}

}  // namespace

int run_plan(Context& context, Arguments& arguments) {
  Options options;
  options.declare(arguments);
  context.parse(arguments);
  bool all_well = true;
  const std::vector<PlanStep> plan = plan_of(context, options, all_well);
  show(context, plan);
  return all_well ? 0 : 1;
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
  bool all_well = true;
  std::vector<PlanStep> plan = plan_of(context, options, all_well);
  show(context, plan);
  const bool is_directory = std::filesystem::is_directory(options.files.front());
  const bool done = is_directory ? carry_out_each(context, std::move(plan), how)
                                 : carry_out(context, std::move(plan), how);
  return done && all_well ? 0 : 1;
}

}  // namespace pmx::cli
