#include "cli/commands/start_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "cli/context.h"
#include "common/base/date_pattern.h"
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

void set_size(const char* option, const std::optional<std::string>& text, std::uint64_t& out) {
  if (!text) return;
  const auto size = parse_size(*text);
  if (!size)
    throw UsageError(fmt::format("{} {}: not a size", option, *text), "bytes, or 200M, 1.5G");
  out = *size;
}

void refuse_empty(const char* option, const std::optional<std::string>& text) {
  if (text && text->empty())
    throw UsageError(fmt::format("{}: expected a name, not nothing", option));
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
  const auto delay = parse_duration(parse_integer(text).has_value() ? text + "s" : text);
  if (!delay)
    throw UsageError(fmt::format("--watch-delay {}: not a time", text), "1 (seconds), 500ms, 2s");
  return *delay;
}

constexpr std::array<const char*, 2> kBehindEndings{".*", "node_modules"};

// Those that an earlier --ext has put first.
void forget_endings(std::vector<std::string>& patterns) {
  if (patterns.size() < 2 || patterns[0] != "*" || patterns[1] != "!*/") return;
  const auto last = std::ranges::find(patterns, kBehindEndings.back());
  if (last != patterns.end()) patterns.erase(patterns.begin(), last + 1);
}

// As patterns: everything but directories and these. What is never watched comes behind them.
void ignore_other_endings(std::string endings, AppSpec& spec) {
  std::replace(endings.begin(), endings.end(), ',', ' ');
  std::vector<std::string> patterns{"*", "!*/"};
  for (const std::string& ending : split_words(endings))
    patterns.push_back((ending.starts_with('.') ? "!*" : "!*.") + ending);
  if (patterns.size() == 2)
    throw UsageError("--ext: expected the endings of files", "--ext js,json");
  patterns.insert(patterns.end(), kBehindEndings.begin(), kBehindEndings.end());
  forget_endings(spec.ignore_watch);
  patterns.insert(patterns.end(), spec.ignore_watch.begin(), spec.ignore_watch.end());
  spec.ignore_watch = std::move(patterns);
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
  arguments.text("--namespace", name_space, "NAMESPACE", "group, usable as a target");
  arguments.text("-o,--output,--out", out_file, "FILE", "log of stdout; /dev/null: none");
  arguments.text("-e,--error,--err", error_file, "FILE", "log of stderr");
  arguments.flag("--merge-logs", merge_logs, "one log file for all instances");
  arguments.flag("--no-autorestart", no_autorestart, "let it end when it ends");
  arguments.flag("--no-autostart", no_autostart, "only put it into the list, stopped");
  arguments.flag("--no-treekill", no_treekill, "stop the process itself only, not its children");
  arguments.text("--kill-mode", kill_mode, "tree|group|leader", "what a stop ends");
  arguments.text("--stop-command", stop_command, "COMMAND",
                 "of the shell, before the first signal");
  arguments.text("--restart-delay", restart_delay, "TIME",
                 "wait before each restart: 500 (ms), 5s, 1m");
  arguments.text("--exp-backoff-restart-delay", exp_backoff_restart_delay, "TIME",
                 "first wait; grows by half up to 15 s");
  arguments.number("--max-restarts", max_restarts, "N", "unstable restarts before it is errored");
  arguments.text("--min-uptime", min_uptime, "TIME", "a shorter life counts as unstable");
  arguments.text("--stop-exit-codes", stop_exit_codes, "CODES", "no restart after these (0,3,5)");
  arguments.text("-k,--kill-timeout", kill_timeout, "TIME", "from SIGINT to SIGKILL (1600)");
  arguments.text("--listen-timeout", listen_timeout, "TIME", "to become ready (3000)");
  arguments.text("--balance", balance, "slots|shared|rr",
                 "how connections to shared ports are dealt out");
  arguments.text("--bind-via", bind_via, "auto|preload|seccomp|none",
                 "how programs that are not Node share ports");
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
  arguments.text(
      "--ready", ready, "PROBE",
      "online when this succeeds: http://:8080/path, tcp:8080, exec:COMMAND, notify, ...");
  arguments.text("--ready-timeout", ready_timeout, "TIME", "for --ready, else it has failed (30s)");
  arguments.flag("--no-wait", no_wait, "do not wait until it is ready");
  arguments.text("--health", health, "PROBE",
                 "asked again and again; an unhealthy instance is replaced");
  arguments.text("--health-interval", health_interval, "TIME", "between two questions (10s)");
  arguments.text("--health-timeout", health_timeout, "TIME", "for an answer (5s)");
  arguments.number("--health-retries", health_retries, "N", "bad answers in a row (3)");
  arguments.text("--health-action", health_action, "restart|report", "of an unhealthy instance");
  arguments.flag("--shutdown-with-message", shutdown_with_message,
                 "stop by the message \"shutdown\" instead of SIGINT");
  arguments.text("--max-memory-restart", max_memory_restart, "SIZE",
                 "replace it when its processes use more: 200M, 1.5G");
  arguments.flag("--time", time, "the time before each line of its logs");
  arguments.text("--log-date-format", log_date_format, "FORMAT", "the same, like \"HH:mm:ss.SSS\"");
  arguments.text("--log-type", log_type, "json|raw", "json: each line of its logs is an object");
  arguments.flag("--disable-logs", disable_logs, "keep no logs of it");
  arguments.flag_with_text("--log", log_file, "",
                           "a file with out and error log together, besides; also --log FILE",
                           [](std::string_view word) { return !word.starts_with('-'); });
  arguments.text("--max-log-size", max_log_size, "SIZE",
                 "a bigger log file is put aside and a new one begun: 10M");
  arguments.text("--rotate-interval", rotate_interval, "CRON", "the same at these times");
  arguments.number("--log-retain", log_retain, "N", "how many of those are kept (30)");
  arguments.flag("--log-compress", log_compress, "and compressed by gzip");
  arguments.text("--log-when-full", log_when_full, "WHAT",
                 "output while its file cannot be written: wait (the app too) or drop");
  arguments.flag("--job", job, "its end is no crash");
  arguments.text("--schedule", schedule, "CRON", "a job that runs at these times: \"0 3 * * *\"");
  arguments.text("--overlap", overlap, "skip|queue|replace",
                 "what if a run is due while one goes on");
  arguments.flag("--catch-up", catch_up, "one run makes up for times that were missed");
  arguments.text("--timeout", timeout, "TIME", "a job's run is stopped after it");
  arguments.number("--retries", retries, "N", "of a job's run that has failed");
  arguments.text("--retry-delay", retry_delay, "TIME", "before each of them (1s)");
  arguments.text("--max-uptime", max_uptime, "TIME", "replace it after so long, not all at once");
  arguments.text("-c,--cron-restart,--cron", cron_restart, "FIELDS",
                 "restart at these times, as \"0 4 * * *\"; 0: never");
  arguments.text("--time-zone", time_zone, "ZONE", "of --cron-restart: Europe/Berlin");
  arguments.flag_with_text("--watch", watch, "",
                           "restart when files change, below the working directory or =PATH");
  arguments.list("--ignore-watch", ignore_watch, "PATTERN", "not these, as in a .gitignore");
  arguments.text("--ext", watched_endings, "ENDINGS", "watch files with these only: js,json");
  arguments.text("--watch-delay", watch_delay, "TIME", "wait for more changes: 1 (s), 500ms");
  arguments.list("--depends-on", depends_on, "APP",
                 "start when that is ready, or :started, :healthy, :completed, :completed_ok");
  arguments.text("-u,--uid,--user", uid, "USER", "run it as this user (for a daemon of root)");
  arguments.text("--gid", gid, "GROUP", "and this group");
  arguments.text("-p,--pid", pid_file, "FILE", "its process id, with -ID in the name");
  arguments.list("--filter-env", filter_env, "TEXT",
                 "not these variables of the shell: parts of names, true for all");
  arguments.list("--env-file", env_files, "FILE", "variables, one NAME=value in each line");
  arguments.flag("--source-map-support", source_maps, "Node: source maps in stack traces");
  arguments.flag("-w,--write", write, "write it to NAME-pmx.json, too");
  arguments.flag("--no-vizion,--no-automation,--no-pmx,--disable-source-map-support",
                 without_effect, "accepted for pm2's sake: so it is anyway");
  arguments.flag("-f,--force", force, "a second copy of what already runs");
  arguments.text("--only", only, "NAMES", "of a configuration file: these apps only");
  arguments.text("--env", env_name, "NAME", "of a configuration file: variables of env_NAME too");
  arguments.flag("-a,--update-env", update_env,
                 "restarting by name: take over this shell's environment");
}

void set_attributes(const StartOptions& options, AppSpec& spec) {
  refuse_empty("--name", options.name);
  refuse_empty("--namespace", options.name_space);
  if (options.name_space) spec.name_space = *options.name_space;
  if (options.interpreter_args) spec.interpreter_args = split_words(*options.interpreter_args);
  if (options.out_file) spec.out_file = *options.out_file;
  if (options.error_file) spec.error_file = *options.error_file;
  if (options.merge_logs) spec.merge_logs = true;
  if (options.no_autorestart) spec.autorestart = false;
  if (options.no_autostart) spec.autostart = false;
  if (options.no_treekill) spec.kill_mode = KillMode::leader;
  set_name("--kill-mode", options.kill_mode, spec.kill_mode, kill_mode_from,
           "tree, group or leader");
  if (options.stop_command) spec.stop_command = *options.stop_command;
  if (options.wait_ready) spec.wait_ready = true;
  if (options.shutdown_with_message) spec.shutdown_with_message = true;
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
  if (options.ready) spec.ready.probe = *options.ready;
  set_duration("--ready-timeout", options.ready_timeout, spec.ready.timeout);
  if (options.health) spec.health.probe = *options.health;
  set_duration("--health-interval", options.health_interval, spec.health.interval);
  set_duration("--health-timeout", options.health_timeout, spec.health.timeout);
  if (options.health_retries) spec.health.retries = *options.health_retries;
  set_name("--health-action", options.health_action, spec.health.action, health_action_from,
           "restart or report");
  set_duration("--drain-timeout", options.drain_timeout, spec.drain_timeout);
  set_duration("--min-ready", options.min_ready, spec.min_ready);
  set_name("--balance", options.balance, spec.balance, balance_from, "slots, shared or rr");
  set_name("--bind-via", options.bind_via, spec.bind_via, bind_via_from,
           "auto, preload, seccomp or none");
  if (options.increment_var) spec.increment_var = *options.increment_var;
  if (!options.listen.empty()) spec.listen = options.listen;
  if (options.start_on_connection) spec.start_on_connection = true;
  set_size("--max-memory-restart", options.max_memory_restart, spec.max_memory_restart);
  set_duration("--max-uptime", options.max_uptime, spec.max_uptime);
  if (options.cron_restart)
    spec.cron_restart = *options.cron_restart == "0" ? std::string() : *options.cron_restart;
  if (options.time_zone) spec.time_zone = *options.time_zone;
  if (options.watch) spec.watch = true;
  if (options.watch && !options.watch->empty()) spec.watch_paths = {*options.watch};
  if (!options.ignore_watch.empty()) spec.ignore_watch = options.ignore_watch;
  if (options.watch_delay) spec.watch_delay = watch_delay_of(*options.watch_delay);
  if (options.watched_endings) ignore_other_endings(*options.watched_endings, spec);
  if (!options.depends_on.empty()) spec.depends_on = options.depends_on;
  if (options.pid_file) spec.pid_file = *options.pid_file;
  for (const std::string& part : options.filter_env) {
    std::string pattern = part == "true" ? "!*" : "!*" + part + "*";
    if (std::ranges::find(spec.inherit_env, pattern) == spec.inherit_env.end())
      spec.inherit_env.push_back(std::move(pattern));
  }
  if (options.time) spec.log_date_format = kLogTime;
  if (options.log_date_format) spec.log_date_format = *options.log_date_format;
  if (options.log_type) {
    if (*options.log_type != "json" && *options.log_type != "raw")
      throw UsageError(fmt::format("--log-type {}: expected json or raw", *options.log_type));
    spec.log_type = *options.log_type == "json" ? "json" : "";
  }
  if (options.log_file) spec.log_file = options.log_file;
  if (options.disable_logs) {
    spec.out_file = spec.error_file = "/dev/null";
    spec.log_file.reset();
  }
  set_size("--max-log-size", options.max_log_size, spec.log_limits.max_size);
  if (options.rotate_interval) spec.log_limits.interval = *options.rotate_interval;
  if (options.log_retain) {
    if (*options.log_retain < 0) throw UsageError("--log-retain must not be negative");
    spec.log_limits.retain = *options.log_retain;
  }
  if (options.log_compress) spec.log_limits.compress = true;
  set_name("--log-when-full", options.log_when_full, spec.log_limits.when_full, log_when_full_from,
           "wait or drop");
  if (options.uid) spec.limits.uid = *options.uid;
  if (options.gid) spec.limits.gid = *options.gid;
}

void set_job(const StartOptions& options, JobSpec& job) {
  if (options.schedule) job.schedule = *options.schedule;
  set_name("--overlap", options.overlap, job.overlap, overlap_from, "skip, queue or replace");
  if (options.catch_up) job.catch_up = CatchUp::one;
  set_duration("--timeout", options.timeout, job.timeout);
  if (options.retries) {
    if (*options.retries < 0) throw UsageError("--retries must not be negative");
    job.retries = *options.retries;
  }
  set_duration("--retry-delay", options.retry_delay, job.retry_delay);
}

LaunchRequest launch_request(const StartOptions& options, const std::string& target,
                             const std::vector<std::string>& app_args,
                             const LogLimits& log_limits) {
  LaunchRequest request;
  request.target = target;
  request.interpreter = options.interpreter;
  request.cwd = options.cwd;
  request.instances = options.instances;
  if (options.execute_command) request.exec_mode = ExecMode::fork;
  request.current_dir = std::filesystem::current_path().string();
  request.environment = current_environment();
  request.options.name = options.name.value_or("");
  request.options.args = app_args;
  request.options.log_limits = log_limits;
  set_attributes(options, request.options);
  request.env_files = options.env_files;
  request.source_maps = options.source_maps;
  request.is_job = options.job || options.schedule;
  set_job(options, request.job);
  return request;
}

}  // namespace pmx::cli
