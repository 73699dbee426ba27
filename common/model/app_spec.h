// AppSpec: the complete, resolved and immutable wish for one app. The CLI makes it (common/config),
// the daemon only obeys it: the daemon never reads a user's files or environment to find out what
// to run.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pmx {

using Env = std::map<std::string, std::string, std::less<>>;
using Millis = std::chrono::milliseconds;

enum class ExecMode { fork, cluster };

std::string_view to_string(ExecMode mode) noexcept;  // "fork", "cluster"
std::optional<ExecMode> exec_mode_from(
    std::string_view) noexcept;  // also "fork_mode", "cluster_mode"

struct AppSpec {
  static constexpr Millis kDefaultKillTimeout{1600};
  static constexpr Millis kDefaultListenTimeout{3000};
  static constexpr Millis kDefaultMinUptime{1000};
  static constexpr int kDefaultMaxRestarts = 16;
  static constexpr int kMaxInstances = 1024;

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

  ExecMode exec_mode = ExecMode::fork;
  int instances = 1;             // 1..kMaxInstances, "max" and the like already resolved
  bool instances_given = false;  // decides the log files' names, as in pm2
  std::string instance_var = "NODE_APP_INSTANCE";

  std::string
      out_file;  // absolute or empty = default; "/dev/null" = none. Before the per-instance suffix
  std::string error_file;
  std::optional<bool> merge_logs;  // default: true for plain fork apps, else false

  bool autorestart = true;
  int max_restarts = kDefaultMaxRestarts;
  Millis min_uptime = kDefaultMinUptime;
  Millis restart_delay{0};
  Millis exp_backoff_restart_delay{0};  // 0 = off
  std::vector<int> stop_exit_codes;

  Millis kill_timeout = kDefaultKillTimeout;
  Millis listen_timeout = kDefaultListenTimeout;
  bool wait_ready = false;
  bool shutdown_with_message = false;
  bool treekill = true;

  std::string user;  // who started it, for display

  friend bool operator==(const AppSpec&, const AppSpec&) = default;
};

}  // namespace pmx
