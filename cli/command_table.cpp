#include "cli/command_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "cli/commands/commands.h"

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
      {"send", "send <id> <line>", "write a line to the stdin of an app", run_send},
      {"attach", "attach <id> [separator]", "its stdin and its output, until Ctrl-C", run_attach},
      {"trigger", "trigger <target> <action> [parameter]", "run an action that an app offers",
       run_trigger},
      {"save dump", "save", "write the list to dump.pmx", run_save},
      {"resurrect", "resurrect", "start what dump.pmx lists and does not run", run_resurrect},
      {"serve expose", "serve [path] [port]", "files of a directory over HTTP", run_serve},
      {"import", "import <pm2|supervisord> [file]", "take over the apps of another process manager",
       run_import},
      {"cleardump", "cleardump", "empty dump.pmx", run_cleardump},
      {"set", "set <key> <value>", "keep a setting; app:name is a variable of that app", run_set},
      {"get", "get [key|all]", "show settings", run_get},
      {"unset", "unset <key|all>", "forget a setting", run_unset},
      {"multiset", "multiset \"<key> <value>...\"", "several settings at once", run_multiset},
      {"conf config", "conf [key] [value]", "get and set in one", run_conf},
      {"report", "report", "what a bug report needs, without secrets", run_report},
      {"examples", "examples", "lines to begin with", run_examples},
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

std::optional<std::string_view> instead_of_pm2_command(std::string_view name) {
  struct Missing {
    std::string_view name;
    std::string_view instead;
  };
  constexpr std::string_view kUnits = "systemctl enable --now pmx@USER, see the README";
  constexpr std::string_view kNothing = "`pmx --help` shows what pmx has";
  constexpr std::string_view kGit = "git pull, then pmx reload";
  constexpr std::string_view kNoService = "pmx talks to no service";
  constexpr auto kMissing = std::to_array<Missing>({
      {"startup", kUnits},
      {"unstartup", kUnits},
      {"monit", "pmx list, pmx show and pmx logs"},
      {"imonit", "pmx list, pmx show and pmx logs"},
      {"dash", "pmx list, pmx show and pmx logs"},
      {"dashboard", "pmx list, pmx show and pmx logs"},
      {"init", kNothing},
      {"prettylist", "pmx jlist | jq"},
      {"slist", "pmx report"},
      {"sysinfos", "pmx report"},
      {"deploy", "copy the new files (git, rsync), then pmx reload, or pmx apply FILE"},
      {"inspect", "--node-args=--inspect, or pmx sendSignal SIGUSR1 NAME for an app of Node"},
      {"profile:cpu", "--node-args=--cpu-prof"},
      {"profile:mem", "--node-args=--heap-prof"},
      {"pull", kGit},
      {"forward", kGit},
      {"backward", kGit},
      {"install", "modules of pm2 are programs: pmx start runs those that need no pm2"},
      {"uninstall", "pmx has no modules"},
      {"publish", "pmx has no modules"},
      {"package", "pmx has no modules"},
      {"link", kNoService},
      {"unlink", kNoService},
      {"plus", kNoService},
      {"register", kNoService},
      {"login", kNoService},
      {"logout", kNoService},
      {"open", kNoService},
      {"monitor", kNoService},
      {"unmonitor", kNoService},
      {"logrotate", kNothing},
      {"autoinstall", kNothing},
  });
  const auto found = std::ranges::find(kMissing, name, &Missing::name);
  if (found == kMissing.end()) return std::nullopt;
  return found->instead;
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
      "  --no-color                    no colours (also NO_COLOR=1)\n"
      "  -h, --help                    of a command: pmx <command> --help\n"
      "  -v, --version                 print the version\n"
      "\nA target is a name, an id, a namespace, a script's path, /regex/ of names, or all.\n"
      "Options may stand before or after the command. Exit codes: 0 done, 1 failed, 2 wrong "
      "options.\n"
      "Files are in PMX_HOME (default ~/.pmx).\n";
  return out;
}

}  // namespace pmx::cli
