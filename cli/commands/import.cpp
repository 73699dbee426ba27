// pmx import pm2|supervisord [FILE]: the apps of another process manager, as a plan, then started
// here.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <utility>

#include "cli/boot/program_run.h"
#include "cli/commands/apply.h"
#include "cli/commands/commands.h"
#include "cli/commands/log_defaults.h"
#include "cli/commands/saved_apps.h"
#include "cli/commands/targets.h"
#include "cli/import/supervisord.h"
#include "common/config/log_defaults.h"
#include "common/config/words.h"
#include "common/sys/file.h"
#include "common/sys/proc_fs.h"

namespace pmx::cli {
namespace {

constexpr std::chrono::seconds kPm2AnswersWithin{30};

// What is to be here, those that shall run and those that shall only be in the list.
struct Wanted {
  std::vector<AppSpec> running;
  std::vector<AppSpec> stopped;
  bool all_well = true;

  void add(AppSpec spec, bool runs) { (runs ? running : stopped).push_back(std::move(spec)); }
};

std::string pm2_home() {
  if (const char* home = std::getenv("PM2_HOME"); home != nullptr && *home != '\0') return home;
  const char* home = std::getenv("HOME");
  return std::string(home == nullptr ? "" : home) + "/.pm2";
}

std::string text_of(const std::string& path) {
  if (path == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  const auto text = sys::read_file(path);
  if (!text)
    throw Error(ErrorCode::not_found, fmt::format("{} does not exist", path),
                "`pm2 save` writes it; or: pm2 jlist | pmx import pm2 -");
  return *text;
}

bool runs_pm2(const std::string& home) {
  const auto pid = parse_integer(fmt::format(
      "{}", fmt::join(split_words(sys::read_file(home + "/pm2.pid").value_or("")), "")));
  return pid && *pid > 0 && sys::process_stat(*pid);
}

// What `pm2 jlist` prints, without the remarks that may stand before it. Asked only if pm2 runs: else
// the question would start it.
std::string running_list(const std::string& home) {
  if (!runs_pm2(home))
    throw Error(ErrorCode::not_found,
                fmt::format("pm2 does not run: {}/pm2.pid names no process", home),
                "without --running its saved list is read");
  const std::string text = output_of_program({"pm2", "jlist"}, kPm2AnswersWithin);
  if (text.starts_with('[')) return text;
  const std::size_t line = text.rfind("\n[");
  return line == std::string::npos ? text : text.substr(line + 1);
}

void warn_of_running_pm2(const Context& context, const std::string& home) {
  if (runs_pm2(home))
    context.output.warn(
        "pm2 still runs: after `pmx import pm2 --apply` both run these apps, and one of them has "
        "the ports; `pm2 kill` before it ends that");
}

void say_unmapped(const Context& context, const std::string& name,
                  const std::vector<std::string>& fields) {
  if (!fields.empty())
    context.output.warn(fmt::format("[{}] not taken over: {}", name, fmt::join(fields, ", ")));
}

Wanted from_pm2(Context& context, const std::string& file, bool running) {
  const std::string home = pm2_home();
  const std::string path = file.empty() ? home + "/dump.pm2" : file;
  SavedList saved = read_dump(running ? running_list(home) : text_of(path));
  const LogLimits log_limits = default_log_limits(context);
  Wanted wanted;
  for (const std::string& problem : saved.problems) {
    context.output.error(problem, "this entry is left out");
    wanted.all_well = false;
  }
  for (SavedApp& app : saved_apps(context, saved.entries, {})) {
    say_unmapped(context, app.spec.name, app.unmapped);
    app.spec.log_limits = follow_defaults(app.spec.log_limits, {}, log_limits);
    try {
      resolve_interpreter(app.spec);
    } catch (const Error& error) {
      context.output.error(fmt::format("[{}] {}", app.spec.name, error.what()), error.hint());
      wanted.all_well = false;
      continue;
    }
    wanted.add(std::move(app.spec), app.running);
  }
  warn_of_running_pm2(context, home);
  return wanted;
}

Wanted from_supervisord(Context& context, const std::string& file) {
  if (file.empty())
    throw UsageError("import supervisord needs a file", "e.g. /etc/supervisor/supervisord.conf");
  Imported imported = read_supervisord(file, current_environment());
  for (const std::string& remark : imported.remarks) context.output.warn(remark);
  Wanted wanted;
  for (Imported::App& app : imported.apps) {
    say_unmapped(context, app.request.options.name, app.unmapped);
    for (AppSpec& spec : specs_of(context, {app.request}, wanted.all_well))
      wanted.add(std::move(spec), app.autostart);
  }
  return wanted;
}

// Without a daemon there is nothing, if there has never been one.
std::vector<InstanceStatus> present_apps(Context& context) {
  const bool may_have_apps =
      context.running_daemon() != nullptr || !absolute_if_file(context.paths().database()).empty();
  return may_have_apps ? context.list_all(true) : std::vector<InstanceStatus>();
}

bool says_yes() {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) return false;
  std::fputs("Start them under pmx? [y/N] ", stdout);
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace

int run_import(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  bool apply = false;
  bool no_wait = false;
  bool asks_pm2 = false;
  std::optional<std::string> from;
  arguments.words("pm2 or supervisord, and file", words, 1, 2);
  arguments.flag("--apply", apply,
                 "start them; without: show what would be done, on a terminal ask");
  arguments.flag("--no-wait", no_wait, "do not wait until they are ready");
  arguments.text("--from", from, "FILE", "the same as a file behind pm2 or supervisord");
  arguments.flag("--running", asks_pm2, "of pm2: what it runs now, instead of what it has saved");
  context.parse(arguments);
  if (from.has_value() + (words.size() > 1) + asks_pm2 > 1)
    throw UsageError("one of a file, --from and --running", "pmx import pm2 --running");
  if (asks_pm2 && words[0] != "pm2") throw UsageError("--running is for pm2");
  const std::string file = words.size() > 1 ? words[1] : from.value_or("");
  Wanted wanted;
  if (words[0] == "pm2") {
    wanted = from_pm2(context, file, asks_pm2);
  } else if (words[0] == "supervisord" || words[0] == "supervisor") {
    wanted = from_supervisord(context, file);
  } else {
    throw UsageError(fmt::format("pmx cannot import from \"{}\"", words[0]), "pm2, or supervisord");
  }

  const std::vector<InstanceStatus> present = present_apps(context);
  std::vector<PlanStep> running = make_plan(std::move(wanted.running), present, {});
  std::vector<PlanStep> stopped = make_plan(std::move(wanted.stopped), present, {});
  if (!running.empty() || stopped.empty()) context.output.payload(plan_text(running));
  if (!stopped.empty()) {
    context.output.payload("\nOnly added to the list, as stopped:\n");
    context.output.payload(plan_text(stopped));
  }
  if (!apply && !(file != "-" && says_yes())) return wanted.all_well ? 0 : 1;
  ApplyOptions options;
  options.wait = !no_wait;
  bool all_well = carry_out(context, std::move(running), options);
  options.autostart = false;
  all_well = carry_out(context, std::move(stopped), options) && all_well;
  context.show_list();
  return all_well && wanted.all_well ? 0 : 1;
}

}  // namespace pmx::cli
