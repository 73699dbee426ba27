// The options of `start`, and the launch request they make.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "common/config/launch.h"

namespace pmx::cli {

struct StartOptions {
  std::vector<std::string> targets;
  std::optional<std::string> kill_mode, stop_command, name, interpreter, interpreter_args, cwd,
      name_space, out_file, error_file, instances, stop_exit_codes, restart_delay,
      exp_backoff_restart_delay, min_uptime, kill_timeout, listen_timeout, drain_timeout, min_ready,
      balance, bind_via, increment_var, only, env_name, max_memory_restart, max_uptime,
      cron_restart, time_zone, watch, watch_delay, uid, gid, ready, ready_timeout, health,
      health_interval, health_timeout, health_action, schedule, overlap, timeout, retry_delay,
      log_date_format, log_type, pid_file, watched_endings, log_file, max_log_size, rotate_interval,
      log_when_full;
  std::vector<std::string> listen, ignore_watch, depends_on, filter_env, env_files;
  std::optional<int> max_restarts, health_retries, retries, log_retain;
  bool merge_logs = false;
  bool no_autorestart = false;
  bool no_autostart = false;
  bool no_treekill = false;
  bool wait_ready = false;
  bool start_on_connection = false;
  bool shutdown_with_message = false;
  bool force = false;
  bool execute_command = false;
  bool time = false;
  bool disable_logs = false;
  bool log_compress = false;
  bool job = false;
  bool catch_up = false;
  bool update_env = false;
  bool no_wait = false;
  bool write = false;
  bool source_maps = false;
  bool without_effect = false;

  void declare(Arguments& arguments);
};

// Sets what the options say of `spec` and leaves the rest; not its name, program, mode, number of
// instances and arguments. Throws UsageError naming the option whose value is wrong.
void set_attributes(const StartOptions& options, AppSpec& spec);

// The same of a job's own settings.
void set_job(const StartOptions& options, JobSpec& job);

// Throws likewise.
LaunchRequest launch_request(const StartOptions& options, const std::string& target,
                             const std::vector<std::string>& app_args,
                             const LogLimits& log_limits = {});

}  // namespace pmx::cli
