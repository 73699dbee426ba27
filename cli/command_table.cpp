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

std::vector<std::string> words_in(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

// With as many aliases as there is room for.
std::string shown_names(const Command& command) {
  std::string shown;
  for (const std::string& name : names_of(command)) {
    const std::string longer = shown.empty() ? name : shown + ", " + name;
    if (longer.size() > kNamesWidth) break;
    shown = longer;
  }
  return shown;
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
      {"plan", "plan <file|directory>", "what applying a configuration file would change",
       run_plan},
      {"apply", "apply <file|directory>", "bring apps to what a configuration file says",
       run_apply},
      {"validate", "validate <file>", "what is wrong with a configuration file", run_validate},
      {"init ecosystem", "init [simple]", "write a configuration file to begin with", run_init},
      {"export", "export [target]...", "write what runs as a configuration file", run_export},
      {"schema", "schema", "the JSON Schema of configuration files", run_schema},
      {"delete del", "delete <target>...", "stop apps and forget them", run_delete},
      {"scale", "scale <name> <n|+n|-n|max>", "change the number of instances", run_scale},
      {"list ls l ps status", "list", "table of all apps", run_list},
      {"monit dash dashboard imonit", "monit",
       "full screen: states, cpu, memory and logs of all apps", run_monit},
      {"jlist", "jlist", "the same as JSON, with all details", run_jlist},
      {"prettylist", "prettylist", "the same for eyes, as Node shows objects", run_prettylist},
      {"describe desc info show", "describe <name|id>", "all that is known of an app",
       run_describe},
      {"logs log", "logs [target]...", "show log files and follow them", run_logs},
      {"events", "events [target]...", "what becomes of apps and what they send, as it happens",
       run_events},
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
      {"slist sysinfos", "slist", "the machine in figures", run_slist},
      {"examples", "examples", "lines to begin with", run_examples},
      {"startup", "startup [platform]", "bring the apps back at every boot", run_startup},
      {"unstartup", "unstartup [platform]", "undo what startup did", run_unstartup},
      {"doctor", "doctor", "what is wrong here, and what to do about it", run_doctor},
      {"ping", "ping", "is the daemon there? Starts none", run_ping},
      {"completion", "completion [install|uninstall|bash|zsh|fish] [bash|zsh|fish]",
       "completion of a shell: print it, or call it from the rc file", run_completion},
      {"help", "help [command]", "this list, or the options of a command", run_help},
      {"kill", "kill", "stop all apps and the daemon", run_kill},
      {"update upgrade updatePM2", "update", "replace the daemon by the installed one; apps run on",
       run_update},
      {"unit", "unit <run|start|stop>", "for services: be with the daemon; end it, keep the list",
       run_unit},
  };
  return commands;
}

std::vector<std::string> names_of(const Command& command) { return words_in(command.names); }

const std::vector<CommandGroup>& command_groups() {
  static const std::vector<CommandGroup> groups = {
      {"Run", "start stop restart reload scale delete run serve"},
      {"See", "list monit describe logs events jlist prettylist id pid env report slist"},
      {"Change", "reset sendSignal send attach trigger flush reloadLogs"},
      {"Configuration",
       "init validate plan apply export import save resurrect cleardump set get unset multiset "
       "conf "
       "schema"},
      {"System", "startup unstartup doctor ping update kill unit completion examples help"},
  };
  return groups;
}

std::vector<const Command*> commands_of(const CommandGroup& group) {
  std::vector<const Command*> commands;
  for (const std::string& name : words_in(group.commands)) {
    if (const Command* command = find_command(name)) commands.push_back(command);
  }
  return commands;
}

const Command* find_command(std::string_view name) {
  const auto& commands = all_commands();
  const auto found = std::find_if(commands.begin(), commands.end(), [&](const Command& command) {
    const std::vector<std::string> names = names_of(command);
    return std::find(names.begin(), names.end(), name) != names.end();
  });
  return found == commands.end() ? nullptr : &*found;
}

std::optional<std::string_view> instead_of_pm2_command(std::string_view name) {
  struct Missing {
    std::string_view name;
    std::string_view instead;
  };
  constexpr std::string_view kNothing = "`pmx --help` shows what pmx has";
  constexpr std::string_view kLogRotation =
      "log rotation is built in: pmx set pm2-logrotate:max_size 10M";
  constexpr std::string_view kGit = "git pull, then pmx reload";
  constexpr std::string_view kNoService = "pmx talks to no service";
  constexpr auto kMissing = std::to_array<Missing>({
      {"deploy", "copy the new files (git, rsync), then pmx reload, or pmx apply FILE"},
      {"inspect", "--node-args=--inspect, or pmx sendSignal SIGUSR1 NAME for an app of Node"},
      {"profile:cpu", "--node-args=--cpu-prof"},
      {"profile:mem", "--node-args=--heap-prof"},
      {"pull", kGit},
      {"forward", kGit},
      {"backward", kGit},
      {"install",
       "modules of pm2 are programs: pmx start runs those that need no pm2; log rotation is "
       "built in: pmx set pm2-logrotate:max_size 10M"},
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
      {"logrotate", kLogRotation},
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
  std::string out = "usage: pmx [options] <command> [targets] [-- app arguments]\n";
  for (const CommandGroup& group : command_groups()) {
    fmt::format_to(std::back_inserter(out), "\n{}\n", group.title);
    for (const Command* command : commands_of(group))
      fmt::format_to(std::back_inserter(out), "  {:<30}{}\n", shown_names(*command),
                     command->summary);
  }
  out +=
      "\nOptions of all commands\n"
      "  -s, --silent                  print payloads and errors only\n"
      "  --json                        one JSON object on stdout, errors included\n"
      "  --no-color                    no colours (also NO_COLOR=1)\n"
      "  --system                      of the machine's own instance, pmx.service (as root, or a "
      "member of\n                                the group pmx)\n"
      "  -h, --help                    of a command: pmx <command> --help\n"
      "  -v, --version                 print the version\n"
      "\nA target is a name, an id, a namespace, a script's path, /regex/ of names, or all.\n"
      "Options may stand before or after the command.\n"
      "Files are in PMX_HOME (default ~/.pmx).\n\nExit codes\n";
  return out + exit_codes_text();
}

}  // namespace pmx::cli
