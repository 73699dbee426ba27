// AppSpec: the complete, resolved and immutable wish for one app. The CLI makes it (common/config),
// the daemon only obeys it: the daemon never reads a user's files or environment to find out what
// to run.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/health_check.h"
#include "common/model/job.h"
#include "common/model/log_limits.h"
#include "common/model/process_limits.h"
#include "common/model/restart_mode.h"

namespace pmx {

using Env = std::map<std::string, std::string, std::less<>>;
using Millis = std::chrono::milliseconds;

enum class ExecMode { fork, cluster };

std::string_view to_string(ExecMode mode) noexcept;  // "fork", "cluster"
std::optional<ExecMode> exec_mode_from(
    std::string_view) noexcept;  // also "fork_mode", "cluster_mode"

// How connections to a port that an app's instances share find one of them.
enum class Balance {
  slots,   // a socket for each instance; the kernel deals out by a program that knows who is there
  shared,  // one socket for all; whoever the kernel wakes first takes the connection
  rr,      // the daemon accepts and hands out in turn: exact, and several times the cost
};

std::string_view to_string(Balance balance) noexcept;  // by these names
std::optional<Balance> balance_from(std::string_view) noexcept;

// How an instance that is not Node gets the app's sockets when it binds a port.
enum class BindVia {
  automatic,  // the preload library in cluster mode, where the program can load it
  preload,    // bind() and listen() of a dynamically linked program are answered by the daemon
  seccomp,    // the same for any program, also static ones; costs no_new_privs
  none,       // the program binds its own sockets
};

std::string_view to_string(BindVia via) noexcept;  // "auto", "preload", "seccomp", "none"
std::optional<BindVia> bind_via_from(std::string_view) noexcept;

// What a stop ends, and what the end of the main process takes with it.
enum class KillMode {
  tree,    // every process that the app has started
  group,   // those in the main process' session
  leader,  // the main process alone; pm2's treekill: false
};

std::string_view to_string(KillMode mode) noexcept;  // by these names
std::optional<KillMode> kill_mode_from(std::string_view) noexcept;

// A signal, and how long the app may take to end by it.
struct StopSignal {
  int number = 0;
  Millis wait{0};
  friend bool operator==(const StopSignal&, const StopSignal&) = default;
};

struct AppSpec {
  static constexpr Millis kDefaultKillTimeout{1600};
  static constexpr Millis kDefaultListenTimeout{3000};
  static constexpr Millis kDefaultMinUptime{1000};
  static constexpr int kDefaultMaxRestarts = 16;
  static constexpr int kMaxInstances = 1024;
  static constexpr Millis kDefaultDrainTimeout{10'000};

  std::string name;
  std::string name_space = "default";
  std::string version;  // of the nearest package.json, or empty

  // What to run: [interpreter, interpreter_args..., script, args...], or with interpreter "none":
  // [script, args...]. With `shell` the script is the text of a shell command, run as: interpreter
  // -c script.
  std::string script;  // absolute path, or the shell text
  bool shell = false;
  std::vector<std::string> args;
  std::string interpreter;       // as shown ("node", "python3", "none", a path)
  std::string interpreter_path;  // absolute path of it; empty for "none"
  std::vector<std::string> interpreter_args;
  std::string cwd;  // absolute
  Env env;          // the app's whole environment, without the variables pmx adds per instance
  // Of `env`: what the app's own settings have set. The rest is of the shell that started it.
  std::set<std::string, std::less<>> own_env;
  Env hidden_env;  // what that shell had under these names
  // Where own variables are from: the path of an `env_file`, or "pmx"; the others: the app's `env`.
  Env env_origin;
  // Variables that are read from these files (absolute paths) at each start, and are not in `env`:
  // no list, log or database ever has their values.
  Env secret_files;
  // Which variables of the shell the app gets, see inherits().
  std::vector<std::string> inherit_env;

  ExecMode exec_mode = ExecMode::fork;
  int instances = 1;             // 1..kMaxInstances, "max" and the like already resolved
  bool instances_given = false;  // decides the log files' names, as in pm2
  std::string instance_var = "NODE_APP_INSTANCE";
  std::string increment_var;  // a variable with a number that each instance gets its own of: the
                              // app's value plus the instance's number; empty: none

  // A job has one instance, and none of the settings below of restarts, readiness and health.
  std::optional<JobSpec> job;

  Balance balance = Balance::slots;
  BindVia bind_via = BindVia::automatic;
  // Sockets bound for the app and passed to every instance (LISTEN_FDS), e.g. "tcp:0.0.0.0:8080",
  // "unix:/path?mode=0660", "udp:...". As written.
  std::vector<std::string> listen;
  bool start_on_connection = false;  // with `listen`: no process before somebody connects

  std::string
      out_file;  // absolute or empty = default; "/dev/null" = none. Before the per-instance suffix
  std::string error_file;
  std::string pid_file;  // likewise
  // Both streams in one file, besides: none, empty = default, or as out_file.
  std::optional<std::string> log_file;
  std::optional<bool> merge_logs;  // default: true for plain fork apps, else false
  // Both empty: output is copied as it is. Else line by line.
  std::string log_date_format;  // before each line, in the tokens of day.js
  std::string log_type;         // "json": each line is an object
  LogLimits log_limits;

  bool autostart = true;  // when it is new; false: it is only put into the list
  bool autorestart = true;
  int max_restarts = kDefaultMaxRestarts;
  Millis min_uptime = kDefaultMinUptime;
  Millis restart_delay{0};
  Millis exp_backoff_restart_delay{0};  // 0 = off
  std::vector<int> stop_exit_codes;
  RestartMode restart = RestartMode::always;  // if autorestart is on
  std::vector<int> success_exit_codes;        // besides 0
  Millis max_backoff{15'000};                 // of exp_backoff_restart_delay
  int backoff_jitter = 0;                     // per cent by which each step may be shorter
  int restart_limit = 0;                      // restarts in restart_window; 0: no limit
  Millis restart_window{60'000};
  Millis retry_after{0};  // an errored app is tried again so much later; 0: never

  Millis kill_timeout = kDefaultKillTimeout;
  Millis listen_timeout = kDefaultListenTimeout;
  bool wait_ready = false;
  ReadyCheck ready;  // instead of wait_ready and listen_timeout, if it has a probe
  HealthCheck health;

  // Reload.
  Millis drain_timeout = kDefaultDrainTimeout;  // for connections of the replaced process
  Millis min_ready{0};      // a new process must stay ready so long before the old one goes
  int max_surge = 0;        // new processes beside the old ones at a time; 0: 1 of up to 2, else 2
  int max_unavailable = 0;  // old processes that may go before their successors are ready
  bool rollback = true;     // a failed reload brings back what it had replaced

  bool shutdown_with_message = false;
  KillMode kill_mode = KillMode::tree;
  std::string stop_command;  // of the shell, before the first signal; empty: none
  // Before SIGKILL; empty: SIGINT, kill_timeout.
  std::vector<StopSignal> stop_steps;

  // Restarts of what runs well. An app whose instances share ports is replaced without a gap.
  std::uint64_t max_memory_restart = 0;  // bytes, of the whole process tree; 0: never
  Millis max_uptime{0};                  // 0: none
  std::string cron_restart;              // 5 or 6 fields; empty: never
  std::string time_zone;                 // of cron_restart; empty: the daemon's
  bool watch = false;                    // at changes below watch_paths
  std::vector<std::string> watch_paths;  // absolute; empty: cwd
  std::vector<std::string> ignore_watch;
  Millis watch_delay{0};

  ProcessLimits limits;

  std::vector<std::string> depends_on;  // lines of dependency.h
  // Names of apps: when one of them is restarted, with a gap, so is this one.
  std::vector<std::string> restart_with;

  std::string user;    // who started it, for display
  std::string origin;  // absolute path of the configuration file it is from; empty: another way

  friend bool operator==(const AppSpec&, const AppSpec&) = default;
};

// Whether a variable of the shell becomes one of the app. Patterns are names in which `*` stands for
// anything, as "LC_*"; with `!` in front it never does. Without any other than those with `!`, all
// the rest does.
bool inherits(const std::vector<std::string>& patterns, std::string_view variable) noexcept;

// The environment of the shell that started it, without the app's own settings.
Env shell_env(const AppSpec& spec);
// What the app's own settings have set.
Env own_variables(const AppSpec& spec);
// Makes `own` the app's own settings, over what it inherits of the shell.
void set_env(AppSpec& spec, Env shell, const Env& own);
// One more of them. `origin`: as in env_origin.
void set_variable(AppSpec& spec, const std::string& name, std::string value,
                  std::string_view origin = {});
// Where the value of a variable is from: a configuration file, an `env_file`, "pmx" or "shell".
std::string origin_of(const AppSpec& spec, std::string_view variable);
// What it inherits of `shell` replaces the variables of the same names (--update-env).
void merge_shell(AppSpec& spec, const Env& shell);

}  // namespace pmx
