#include "common/config/ecosystem_help.h"

namespace pmx {

const std::vector<EcosystemSection>& ecosystem_sections() {
  static const std::vector<EcosystemSection> sections{
      {"What to run",
       {
           {"name", "Name in the list and of the log files (the script's, without its ending)."},
           {"name_prefix", "Text in front of the name."},
           {"append_env_to_name", "Adds the name given with --env to the app's name."},
           {"namespace", "Group of apps; usable as a target (\"default\")."},
           {"script", "Program, script, or command of the shell if it has blanks in it."},
           {"args", "Arguments of the program."},
           {"interpreter",
            "What runs the script; \"none\": it is run itself (by its ending, or as its first line "
            "says)."},
           {"interpreter_args", "Options of the interpreter."},
           {"source_map_support", "Has Node read source maps (--enable-source-maps)."},
           {"cwd",
            "Working directory, and where a relative script is looked for (where pmx "
            "is called)."},
           {"uid", "User that it runs as, for a daemon of root."},
           {"gid", "Group that it runs as (the user's)."},
           {"groups", "Supplementary groups (the user's)."},
           {"autostart", "false: only in the list, stopped."},
       }},
      {"Environment",
       {
           {"env",
            "Variables. env_NAME has those that come in addition with --env NAME. Other values "
            "than texts become texts."},
           {"env_file", "Files of lines NAME=VALUE; what env says wins over them."},
           {"inherit_env",
            "Which variables of the shell the app gets: names, with * for anything; ! in front "
            "leaves them out (all)."},
           {"filter_env",
            "pm2's way to leave out variables of the shell, by parts of their names."},
           {"port", "The variable PORT, unless env has it."},
           {"instance_var",
            "Variable with the number of the instance, from 0 (\"NODE_APP_INSTANCE\")."},
           {"increment_var",
            "Variable with a number that each instance gets its own of: its value plus the number "
            "of the instance."},
       }},
      {"Instances and ports",
       {
           {"instances",
            "How many run; \"max\" or 0: one per core, -1: one fewer than that (1). Without "
            "exec_mode, more than one share their ports where the program can."},
           {"exec_mode",
            "cluster: the instances share every port they bind. fork: each is by itself."},
           {"execute_command", "true: fork mode, whatever else is said."},
           {"balance",
            "How connections to a shared port are dealt out: each instance has its own socket "
            "(slots, the default), all have one (shared), or the daemon deals them out in turn "
            "(rr, Node only)."},
           {"bind_via",
            "How a program that is not Node gets shared ports: by a preloaded library (preload), "
            "by the kernel holding its calls back (seccomp), not at all (none), or preload in "
            "cluster mode (auto, the default)."},
           {"listen",
            "Sockets that are bound for the app and passed to it by LISTEN_FDS: tcp:ADDRESS:PORT, "
            "unix:PATH, udp:ADDRESS:PORT."},
           {"start_on_connection", "With listen: no process before somebody connects (false)."},
       }},
      {"Ready and healthy",
       {
           {"ready",
            "When it counts as online: http://HOST:PORT/PATH, tcp:PORT, unix:PATH, exec:COMMAND, "
            "notify (sd_notify), fd:N (a line on that descriptor), log:TEXT, listen or message. "
            "start, restart and reload wait for it."},
           {"ready_timeout", "For ready (30s)."},
           {"ready_timeout_action",
            "After it: it has failed, as by a crash (fail, the default), or is online all the "
            "same (online)."},
           {"wait_ready",
            "pm2's way: it is online when it sends \"ready\" on its channel (false)."},
           {"listen_timeout", "Time to become ready where ready is not set (3000)."},
           {"health",
            "Asked again and again while it is online: http, tcp, unix or exec as in ready; "
            "notify: it sends WATCHDOG=1 within each health_interval."},
           {"health_interval", "Between two questions (10s)."},
           {"health_timeout", "For an answer (5s)."},
           {"health_retries", "So many bad answers in a row make it unhealthy (3)."},
           {"health_start_period", "It is left alone so long after it is online (0)."},
           {"health_action",
            "What is unhealthy is replaced (restart, the default), or only shown as such "
            "(report)."},
           {"depends_on",
            "Apps that come first: NAME is ready, or NAME:started, :healthy, :completed, "
            ":completed_ok. It is stopped before them."},
           {"requires", "As depends_on; it is also restarted when one of these is."},
       }},
      {"Restarts after an end",
       {
           {"autorestart", "false: it is not started again when it ends (true)."},
           {"restart",
            "After which ends it is: always (the default), on-failure, on-abnormal (a signal), "
            "never."},
           {"stop_exit_codes", "No restart after these."},
           {"success_exit_codes", "No failure, besides 0."},
           {"max_restarts", "Unstable restarts in a row until it is errored (16)."},
           {"min_uptime", "A shorter life counts as unstable (1000)."},
           {"restart_delay", "Wait before each restart (0)."},
           {"exp_backoff_restart_delay",
            "First wait before a restart; it grows by half each time (0: off)."},
           {"max_backoff", "The longest such wait (15s)."},
           {"backoff_jitter", "Per cent by which each such wait may be shorter (0)."},
           {"restart_limit",
            "So many restarts within restart_window, then it is errored (0: any)."},
           {"restart_window", "See restart_limit (60s)."},
           {"retry_after", "What is errored is tried again so much later (0: never)."},
       }},
      {"Restarts of what runs",
       {
           {"max_memory_restart",
            "Replaced when the processes of an instance use more together (0: never)."},
           {"max_uptime", "Replaced by then, one instance after another (0: never)."},
           {"cron_restart", "Restarted at these times: minute hour day month weekday; 0: never."},
           {"time_zone", "Of cron_restart and schedule, as Europe/Berlin (the daemon's own)."},
           {"watch", "Restarted when files change below cwd, or in these directories and files."},
           {"ignore_watch", "Not these, with the patterns of a .gitignore."},
           {"watch_delay", "Wait for more changes (200)."},
           {"watch_options", "Options of pm2's watcher; those that mean something here count."},
       }},
      {"Stop and reload",
       {
           {"kill_timeout", "From SIGINT to SIGKILL (1600)."},
           {"stop_steps", "Signals, each with the time to end by it, before SIGKILL."},
           {"stop_command",
            "Command of the shell before the first signal, with PMX_PID in its environment."},
           {"shutdown_with_message", "The message \"shutdown\" instead of SIGINT (false)."},
           {"kill_mode",
            "What a stop ends: everything that the app has started (tree, the default), its "
            "session (group), or its main process (leader)."},
           {"treekill", "false: pm2's word for kill_mode leader."},
           {"drain_timeout", "Time for the connections of a process that is replaced (10s)."},
           {"min_ready", "A new process must stay ready so long before an old one goes (0)."},
           {"max_surge", "New processes beside the old ones at a time (0: 1 of up to 2, else 2)."},
           {"max_unavailable", "Old processes that may go before their successors are ready (0)."},
           {"rollback", "A reload that fails brings back what it has replaced (true)."},
       }},
      {"Jobs",
       {
           {"type", "job: its end is no crash. service (the default)."},
           {"schedule",
            "Times at which a job runs, as cron_restart has them; without: once, at its start."},
           {"overlap",
            "A run is due while one goes on: it is left out (skip, the default), comes after it "
            "(queue), or instead of it (replace)."},
           {"catch_up", "One run makes up for those that were missed while no daemon ran (false)."},
           {"timeout", "A run is stopped after it (0: never)."},
           {"retries", "Of a run that has failed (0)."},
           {"retry_delay", "Before each of them (1s)."},
       }},
      {"Output",
       {
           {"out_file", "Log of stdout (logs/NAME-out.log in PMX_HOME); /dev/null: none."},
           {"error_file", "Log of stderr (logs/NAME-error.log)."},
           {"pid_file", "File with the process id (pids/NAME-ID.pid)."},
           {"merge_logs",
            "One log file for all instances, without their ids in its name (true for a single "
            "instance in fork mode)."},
           {"time", "A date in front of each line (false)."},
           {"log_date_format", "The same in another form, like \"HH:mm:ss.SSS\"."},
           {"log_type", "json: each line is an object. raw: as it comes (the default)."},
           {"log_file", "Both streams in one file, besides; true: logs/NAME.log (false)."},
           {"max_log_size", "A bigger log is put aside and a new one begun (0: never)."},
           {"rotate_interval", "The same at these times, as cron_restart has them."},
           {"log_retain", "How many of those put aside are kept, of each log (30)."},
           {"log_compress", "They are compressed by gzip (false)."},
           {"log_when_full",
            "While a log cannot be written, the app waits (wait, the default), or what has no room "
            "is dropped and counted (drop)."},
           {"disable_logs", "No logs (false)."},
       }},
      {"Limits",
       {
           {"limits", "As setrlimit(2): {\"nofile\": \"65536\", \"core\": \"0:unlimited\"}."},
           {"cpu_max", "Of one core, in its cgroup: \"150%\"."},
           {"memory_max", "Of the app's cgroup: the kernel ends what exceeds it."},
           {"memory_high", "Of the app's cgroup: the kernel slows down what exceeds it."},
           {"pids_max", "Processes and threads in the app's cgroup."},
           {"io_weight", "Share of the disk, from 1 to 10000 (100)."},
           {"nice", "From -20 to 19."},
           {"ionice", "As ionice(1): \"idle\", \"best-effort:7\", \"realtime:0\"."},
           {"cpu_affinity", "Cores that it may use: \"0-3,6\"."},
           {"oom_score_adj", "From -1000 to 1000: who is ended first when memory runs out."},
           {"umask", "Of the files that it makes: \"027\"."},
           {"no_new_privs", "It and its children gain no rights by an exec (false)."},
       }},
  };
  return sections;
}

std::string_view ecosystem_help(std::string_view key) {
  for (const EcosystemSection& section : ecosystem_sections())
    for (const EcosystemHelp& one : section.keys)
      if (one.key == key) return one.text;
  return {};
}

}  // namespace pmx
