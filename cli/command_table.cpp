#include "cli/command_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "cli/commands/commands.h"
#include "cli/exit_code.h"

namespace pmx::cli {
namespace {

// Of the names of a command in the list of all.
constexpr std::size_t kNamesWidth = 29;

bool has_name(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(' '), names.size());
    if (names.substr(0, end) == name) return true;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return false;
}

}  // namespace

const std::vector<Command>& all_commands() {
  static const std::vector<Command> commands = {
      {"start", "start <script|file.json|name|id|->... [-- app arguments]",
       "start apps and keep them running", run_start},
      {"run", "run <script|file.json>... [-- app arguments]",
       "run apps in the foreground, for containers", run_run},
      {"stop", "stop <target>...", "stop apps, keep them in the list", run_stop},
      {"restart startOrRestart", "restart <target>...", "stop and start again; start stopped ones",
       run_restart},
      {"reload startOrReload gracefulReload startOrGracefulReload", "reload <target>...",
       "replace cluster workers without losing a request", run_reload},
      {"plan", "plan <file>", "what applying a configuration file would change", run_plan},
      {"apply", "apply <file>", "bring apps to what a configuration file says", run_apply},
      {"delete del", "delete <target>...", "stop apps and forget them", run_delete},
      {"scale", "scale <name> <n|+n|-n|max>", "change the number of instances", run_scale},
      {"list ls l ps status", "list", "table of all apps", run_list},
      {"jlist", "jlist", "the same as JSON, with all details", run_jlist},
      {"prettylist", "prettylist", "the same for eyes, as Node shows objects", run_prettylist},
      {"describe desc info show", "describe <name|id>", "all that is known of an app",
       run_describe},
      {"logs log", "logs [target]...", "show log files and follow them", run_logs},
      {"flush", "flush [target]", "empty log files", run_flush},
      {"reloadLogs", "reloadLogs", "open log files again after a rotation", run_reload_logs},
      {"pid", "pid [name]", "process ids, one per line", run_pid},
      {"id", "id <name>", "ids of an app's instances", run_id},
      {"env", "env <id>", "the environment of an instance", run_env},
      {"reset", "reset <target>...", "set the counters to zero", run_reset},
      {"sendSignal", "sendSignal <SIGNAME> <target>", "send a signal", run_send_signal},
      {"save dump", "save", "write the list to dump.pmx", run_save},
      {"resurrect", "resurrect", "start what dump.pmx lists and does not run", run_resurrect},
      {"ping", "ping", "is the daemon there? Starts none", run_ping},
      {"kill", "kill", "stop all apps and the daemon", run_kill},
      {"update upgrade", "update", "replace the daemon by the installed one; apps run on",
       run_update},
      {"unit", "unit <run|stop>", "for systemd units: stay with the daemon; end it, keep the list",
       run_unit},
  };
  return commands;
}

const Command* find_command(std::string_view name) {
  const auto& commands = all_commands();
  const auto found = std::find_if(commands.begin(), commands.end(), [&](const Command& command) {
    return has_name(command.names, name);
  });
  return found == commands.end() ? nullptr : &*found;
}

bool is_missing_pm2_command(std::string_view name) {
  constexpr auto kMissing = std::to_array<std::string_view>(
      {"startup", "unstartup", "monit",  "imonit",  "dash",      "dashboard", "deploy", "serve",
       "expose",  "init",      "report", "install", "uninstall", "cleardump", "set",    "unset",
       "get",     "conf",      "config", "trigger", "attach",    "inspect"});
  return std::find(kMissing.begin(), kMissing.end(), name) != kMissing.end();
}

bool is_command(const std::string& name) { return find_command(name) != nullptr; }

std::string short_usage() {
  return "usage: pmx [options] <command> [targets] [-- app arguments]\n\n"
         "  pmx start app.js            run it and keep it running\n"
         "  pmx start app.js -i max     one worker per core on one port\n"
         "  pmx list                    what runs\n"
         "  pmx logs [name]             its output\n"
         "  pmx reload <name>           replace workers without losing a request\n"
         "  pmx stop|restart|delete <name|id|namespace|all|/regex/>\n\n"
         "  pmx --help                  all commands\n";
}

std::string full_help() {
  std::string out = "usage: pmx [options] <command> [targets] [-- app arguments]\n\nCommands\n";
  for (const Command& command : all_commands()) {
    std::string names(command.names);
    for (std::size_t at = names.find(' '); at != std::string::npos; at = names.find(' ', at + 2)) {
      names.replace(at, 1, ", ");
    }
    while (names.size() > kNamesWidth && names.find(", ") != std::string::npos)
      names.erase(names.rfind(", "));
    fmt::format_to(std::back_inserter(out), "  {:<30}{}\n", names, command.summary);
  }
  out +=
      "\nOptions of all commands\n"
      "  -s, --silent                  print payloads and errors only\n"
      "  --json                        one JSON object on stdout, errors included\n"
      "  --no-color                    no colours (also NO_COLOR=1)\n"
      "  -h, --help                    of a command: pmx <command> --help\n"
      "  -v, --version                 print the version\n"
      "\nA target is a name, an id, a namespace, a script's path, /regex/ of names, or all.\n"
      "Options may stand before or after the command.\n"
      "Files are in PMX_HOME (default ~/.pmx).\n\nExit codes\n";
  return out + exit_codes_text();
}

}  // namespace pmx::cli
