#include "cli/commands/start_options.h"

#include <fmt/format.h>

#include <filesystem>

#include "cli/context.h"
#include "common/config/words.h"

namespace pmx::cli {
namespace {

void set_duration(const char* option, const std::optional<std::string>& text, Millis& out) {
  if (!text) return;
  const auto parsed = parse_duration(*text);
  if (!parsed) {
    throw UsageError(fmt::format("{} {}: not a time", option, *text),
                     "milliseconds, or e.g. 5s, 10m, 1h");
  }
  out = *parsed;
}

template <class T, class Parse>
void set_name(const char* option, const std::optional<std::string>& text, T& out, Parse parse,
              const char* names) {
  if (!text) return;
  const auto parsed = parse(*text);
  if (!parsed) throw UsageError(fmt::format("{} {}: not known", option, *text), names);
  out = *parsed;
}

// As pm2: a bare number is seconds, here only.
Millis watch_delay_of(const std::string& text) {
  const bool milliseconds = text.ends_with("ms");
  const bool bare = parse_integer(text).has_value();
  const auto delay = parse_duration(milliseconds ? text.substr(0, text.size() - 2)
                                    : bare       ? text + "s"
                                                 : text);
  if (!delay)
    throw UsageError(fmt::format("--watch-delay {}: not a time", text), "1 (seconds), 500ms, 2s");
  return *delay;
}

}  // namespace

void StartOptions::declare(Arguments& arguments) {
  arguments.words("target", targets, 0, Arguments::kAny);
  arguments.text("-n,--name", name, "NAME", "name in the list and of the log files");
  arguments.text("-i,--instances", instances, "N",
                 "Node: N workers on shared ports; max or 0: one per core");
  arguments.flag("-x,--execute-command", execute_command, "fork mode, also with -i and Node");
  arguments.text("--interpreter", interpreter, "PROGRAM", "runs the script; none: run it itself");
  arguments.text("--interpreter-args,--node-args", interpreter_args, "TEXT",
                 "options of the interpreter, in one word");
  arguments.text("--cwd", cwd, "DIR", "working directory; a relative script is looked up there");
  arguments.text("--namespace", name_space, "NAME", "group, usable as a target");
  arguments.text("-o,--output,--out", out_file, "FILE", "log of stdout; /dev/null: none");
  arguments.text("-e,--error,--err", error_file, "FILE", "log of stderr");
  arguments.flag("--merge-logs", merge_logs, "one log file for all instances");
  arguments.flag("--no-autorestart", no_autorestart, "let it end when it ends");
  arguments.flag("--no-autostart", no_autostart, "only put it into the list, stopped");
  arguments.flag("--no-treekill", no_treekill, "stop the process itself only, not its children");
  arguments.text("--restart-delay", restart_delay, "TIME",
                 "wait before each restart: 500 (ms), 5s, 1m");
  arguments.text("--exp-backoff-restart-delay", exp_backoff_restart_delay, "TIME",
                 "first wait; grows by half up to 15 s");
  arguments.number("--max-restarts", max_restarts, "N", "unstable restarts before it is errored");
  arguments.text("--min-uptime", min_uptime, "TIME", "a shorter life counts as unstable");
  arguments.text("--stop-exit-codes", stop_exit_codes, "CODES", "no restart after these (0,3,5)");
  arguments.text("-k,--kill-timeout", kill_timeout, "TIME", "from SIGINT to SIGKILL (1600)");
  arguments.text("--listen-timeout", listen_timeout, "TIME", "to become ready (3000)");
  arguments.text("--balance", balance, "POLICY", "of shared ports: slots, shared or rr");
  arguments.text("--bind-via", bind_via, "WAY",
                 "how programs that are not Node share ports: auto, preload or none");
  arguments.list("--listen", listen, "SOCKET",
                 "bind it for the app: tcp:ADDRESS:PORT, unix:PATH, udp:ADDRESS:PORT");
  arguments.flag("--start-on-connection", start_on_connection,
                 "with --listen: no process before somebody connects");
  arguments.text("--increment-var", increment_var, "NAME",
                 "variable with a number of its own for each instance");
  arguments.text("--drain-timeout", drain_timeout, "TIME",
                 "for the connections of a replaced process (10000)");
  arguments.text("--min-ready", min_ready, "TIME",
                 "a reloaded process stays ready so long before the old one goes");
  arguments.flag("--wait-ready", wait_ready, "online when the app sends \"ready\" on its channel");
  arguments.flag("--shutdown-with-message", shutdown_with_message,
                 "stop by the message \"shutdown\" instead of SIGINT");
  arguments.text("--max-memory-restart", max_memory_restart, "SIZE",
                 "replace it when its processes use more: 200M, 1.5G");
  arguments.text("--max-uptime", max_uptime, "TIME", "replace it after so long, not all at once");
  arguments.text("-c,--cron-restart,--cron", cron_restart, "FIELDS",
                 "restart at these times, as \"0 4 * * *\"; 0: never");
  arguments.text("--time-zone", time_zone, "ZONE", "of --cron-restart: Europe/Berlin");
  arguments.flag_with_text("--watch", watch, "",
                           "restart when files change, below the working directory or =PATH");
  arguments.list("--ignore-watch", ignore_watch, "PATTERN", "not these, as in a .gitignore");
  arguments.text("--watch-delay", watch_delay, "TIME", "wait for more changes: 1 (s), 500ms");
  arguments.text("-u,--uid,--user", uid, "USER", "run it as this user (for a daemon of root)");
  arguments.text("--gid", gid, "GROUP", "and this group");
  arguments.flag("-f,--force", force, "a second copy of what already runs");
  arguments.text("--only", only, "NAMES", "of a configuration file: these apps only");
  arguments.text("--env", env_name, "NAME", "of a configuration file: variables of env_NAME too");
  arguments.flag("-a,--update-env", update_env,
                 "restarting by name: take over this shell's environment");
}

LaunchRequest launch_request(const StartOptions& options, const std::string& target,
                             const std::vector<std::string>& app_args) {
  LaunchRequest request;
  request.target = target;
  request.interpreter = options.interpreter;
  request.cwd = options.cwd;
  request.instances = options.instances;
  if (options.execute_command) request.exec_mode = ExecMode::fork;
  request.current_dir = std::filesystem::current_path().string();
  request.environment = current_environment();

  AppSpec& spec = request.options;
  spec.name = options.name.value_or("");
  if (options.name_space) spec.name_space = *options.name_space;
  spec.args = app_args;
  spec.interpreter_args = split_words(options.interpreter_args.value_or(""));
  spec.out_file = options.out_file.value_or("");
  spec.error_file = options.error_file.value_or("");
  if (options.merge_logs) spec.merge_logs = true;
  spec.autorestart = !options.no_autorestart;
  spec.treekill = !options.no_treekill;
  spec.wait_ready = options.wait_ready;
  spec.shutdown_with_message = options.shutdown_with_message;
  if (options.max_restarts) {
    if (*options.max_restarts < 0) throw UsageError("--max-restarts must not be negative");
    spec.max_restarts = *options.max_restarts;
  }
  if (options.stop_exit_codes) {
    const auto codes = parse_exit_codes(*options.stop_exit_codes);
    if (!codes) {
      throw UsageError(
          fmt::format("--stop-exit-codes {}: not exit codes", *options.stop_exit_codes),
          "numbers from 0 to 255, e.g. 0,3,5");
    }
    spec.stop_exit_codes = *codes;
  }
  set_duration("--restart-delay", options.restart_delay, spec.restart_delay);
  set_duration("--exp-backoff-restart-delay", options.exp_backoff_restart_delay,
               spec.exp_backoff_restart_delay);
  set_duration("--min-uptime", options.min_uptime, spec.min_uptime);
  set_duration("--kill-timeout", options.kill_timeout, spec.kill_timeout);
  set_duration("--listen-timeout", options.listen_timeout, spec.listen_timeout);
  set_duration("--drain-timeout", options.drain_timeout, spec.drain_timeout);
  set_duration("--min-ready", options.min_ready, spec.min_ready);
  set_name("--balance", options.balance, spec.balance, balance_from, "slots, shared or rr");
  set_name("--bind-via", options.bind_via, spec.bind_via, bind_via_from, "auto, preload or none");
  spec.increment_var = options.increment_var.value_or("");
  spec.listen = options.listen;
  spec.start_on_connection = options.start_on_connection;
  if (options.max_memory_restart) {
    const auto size = parse_size(*options.max_memory_restart);
    if (!size) {
      throw UsageError(
          fmt::format("--max-memory-restart {}: not a size", *options.max_memory_restart),
          "bytes, or 200M, 1.5G");
    }
    spec.max_memory_restart = *size;
  }
  set_duration("--max-uptime", options.max_uptime, spec.max_uptime);
  if (options.cron_restart && *options.cron_restart != "0")
    spec.cron_restart = *options.cron_restart;
  spec.time_zone = options.time_zone.value_or("");
  spec.watch = options.watch.has_value();
  if (options.watch && !options.watch->empty()) spec.watch_paths = {*options.watch};
  spec.ignore_watch = options.ignore_watch;
  if (options.watch_delay) spec.watch_delay = watch_delay_of(*options.watch_delay);
  spec.limits.uid = options.uid.value_or("");
  spec.limits.gid = options.gid.value_or("");
  return request;
}

}  // namespace pmx::cli
