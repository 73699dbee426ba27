// pmx run, pmx-runtime: apps in the foreground, as the main process of a container.
#include "cli/commands/run.h"

#include <fmt/format.h>

#include "cli/commands/commands.h"
#include "cli/commands/config_targets.h"
#include "cli/commands/targets.h"
#include "common/config/words.h"

namespace pmx::cli {
namespace {

std::vector<AppSpec> specs_of_targets(Context& context, const StartOptions& options,
                                      const std::vector<std::string>& app_args) {
  std::vector<AppSpec> specs;
  for (const std::string& target : options.targets) {
    if (!is_config_target(target)) {
      specs.push_back(spec_of(context, launch_request(options, target, app_args)));
      continue;
    }
    bool all_well = true;
    for (AppSpec& spec :
         specs_of(context, apps_of(context, target, options.only, options.env_name.value_or("")),
                  all_well))
      specs.push_back(std::move(spec));
    if (!all_well) throw Error(ErrorCode::invalid_spec, "nothing has been started");
  }
  if (specs.empty()) throw Error(ErrorCode::not_found, "there is no app to run");
  return specs;
}

// As pm2: a bare number is seconds.
std::chrono::milliseconds delay_of(const std::string& text) {
  const auto delay = parse_duration(parse_integer(text).has_value() ? text + "s" : text);
  if (!delay) throw UsageError(fmt::format("--delay {}: not a time", text), "2 (seconds), 500ms");
  return *delay;
}

}  // namespace

int run_foreground(Context& context, const StartOptions& options,
                   const std::vector<std::string>& app_args, ForegroundOptions how) {
  std::vector<AppSpec> specs = specs_of_targets(context, options, app_args);
  how.autostart = !options.no_autostart;
  return Foreground(context, std::move(how)).run(std::move(specs));
}

int run_run(Context& context, Arguments& arguments) {
  StartOptions options;
  ForegroundOptions how;
  bool raw = false;
  bool formatted = false;
  bool logfmt = false;
  bool json = false;
  bool no_auto_exit = false;
  std::optional<std::string> delay;
  options.declare(arguments);
  arguments.flag("--raw", raw, "the apps' output as it is, their stderr to stderr (the default)");
  arguments.flag("--formatted", formatted, "each line with its app: 0|api | line");
  arguments.flag("--format", logfmt, "each line in logfmt: timestamp=... app=api id=0 ...");
  arguments.flag("--json", json, "each line as a JSON object");
  arguments.text("--exit-code-from", how.main_app, "APP",
                 "end when this app ends, with its exit code");
  arguments.flag("--no-auto-exit", no_auto_exit, "stay when no app runs any more");
  arguments.text("--delay", delay, "TIME", "before the apps are started: 2 (seconds), 500ms");
  context.parse(arguments);
  context.output.stream();
  if (options.targets.empty())
    throw UsageError("nothing to run", "pmx run app.js, or pmx run apps.json");
  if (int{raw} + int{formatted} + int{logfmt} + int{json} > 1)
    throw UsageError("--raw, --formatted, --format and --json exclude each other");
  if (formatted) how.format = LogFormat::text;
  if (logfmt) how.format = LogFormat::logfmt;
  if (json) how.format = LogFormat::json;
  how.auto_exit = !no_auto_exit;
  if (delay) how.delay = delay_of(*delay);
  return run_foreground(context, options, arguments.app_args(), std::move(how));
}

}  // namespace pmx::cli
