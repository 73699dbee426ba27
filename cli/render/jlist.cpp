#include "cli/render/jlist.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "common/config/secrets.h"
#include "common/model/signal_name.h"

namespace pmx::cli {
namespace {

using Json = nlohmann::json;

constexpr int kSignalBase = 128;  // as shells report a death by signal

// One decimal, as pm2 gives it.
double rounded(double percent) { return std::round(percent * 10) / 10; }

Json environment(const Env& env) {
  Json json = Json::object();
  for (const auto& [key, value] : env) {
    json[key] = is_secret(key, value) ? "[hidden]" : value;
  }
  return json;
}

void add_exit(Json& json, const std::optional<ExitStatus>& exit) {
  if (!exit) return;
  switch (exit->kind) {
    case ExitStatus::Kind::exited:
      json["exit_code"] = exit->value;
      break;
    case ExitStatus::Kind::signalled:
      json["exit_code"] = kSignalBase + exit->value;
      json["exit_signal"] = signal_name(exit->value);
      break;
    case ExitStatus::Kind::unknown:
      json["exit_code"] = nullptr;
      break;
  }
}

void add_limits(Json& json, const ProcessLimits& limits) {
  if (!limits.rlimits.empty()) json["limits"] = limits.rlimits;
  if (limits.nice) json["nice"] = *limits.nice;
  if (!limits.io_priority.empty()) json["ionice"] = limits.io_priority;
  if (!limits.cpu_affinity.empty()) json["cpu_affinity"] = limits.cpu_affinity;
  if (limits.oom_score_adj) json["oom_score_adj"] = *limits.oom_score_adj;
  if (!limits.umask.empty()) json["umask"] = limits.umask;
  if (limits.no_new_privileges) json["no_new_privs"] = true;
  if (!limits.cpu_max.empty()) json["cpu_max"] = limits.cpu_max;
  if (limits.memory_high > 0) json["memory_high"] = limits.memory_high;
  if (limits.memory_max > 0) json["memory_max"] = limits.memory_max;
  if (limits.pids_max) json["pids_max"] = *limits.pids_max;
  if (limits.io_weight) json["io_weight"] = *limits.io_weight;
  if (!limits.uid.empty()) json["uid"] = limits.uid;
  if (!limits.gid.empty()) json["gid"] = limits.gid;
  if (!limits.groups.empty()) json["groups"] = limits.groups;
}

void add_spec(Json& json, const AppSpec& spec) {
  json["instances"] = spec.instances;
  json["pm_exec_path"] = spec.script;
  json["pm_cwd"] = spec.cwd;
  json["exec_interpreter"] = spec.interpreter;
  json["shell"] = spec.shell;
  json["node_args"] = spec.interpreter_args;
  if (!spec.args.empty()) json["args"] = spec.args;
  json["autostart"] = spec.autostart;
  json["autorestart"] = spec.autorestart;
  json["treekill"] = spec.kill_mode != KillMode::leader;
  if (spec.kill_mode == KillMode::group) json["kill_mode"] = to_string(spec.kill_mode);
  if (!spec.stop_command.empty()) json["stop_command"] = spec.stop_command;
  json["merge_logs"] =
      spec.merge_logs.value_or(spec.exec_mode == ExecMode::fork && !spec.instances_given);
  json["wait_ready"] = spec.wait_ready;
  json["shutdown_with_message"] = spec.shutdown_with_message;
  if (!spec.ready.probe.empty()) {
    json["ready"] = spec.ready.probe;
    json["ready_timeout"] = spec.ready.timeout.count();
    json["ready_timeout_action"] = to_string(spec.ready.on_timeout);
  }
  if (!spec.health.probe.empty()) {
    json["health"] = spec.health.probe;
    json["health_interval"] = spec.health.interval.count();
    json["health_timeout"] = spec.health.timeout.count();
    json["health_retries"] = spec.health.retries;
    json["health_start_period"] = spec.health.start_period.count();
    json["health_action"] = to_string(spec.health.action);
  }
  json["kill_timeout"] = spec.kill_timeout.count();
  json["listen_timeout"] = spec.listen_timeout.count();
  json["drain_timeout"] = spec.drain_timeout.count();
  json["min_ready"] = spec.min_ready.count();
  json["max_surge"] = spec.max_surge;
  json["max_unavailable"] = spec.max_unavailable;
  json["rollback"] = spec.rollback;
  json["max_backoff"] = spec.max_backoff.count();
  json["backoff_jitter"] = spec.backoff_jitter;
  json["max_restarts"] = spec.max_restarts;
  json["min_uptime"] = spec.min_uptime.count();
  if (spec.restart_delay.count() > 0) json["restart_delay"] = spec.restart_delay.count();
  if (spec.exp_backoff_restart_delay.count() > 0) {
    json["exp_backoff_restart_delay"] = spec.exp_backoff_restart_delay.count();
  }
  if (!spec.stop_exit_codes.empty()) json["stop_exit_codes"] = spec.stop_exit_codes;
  if (spec.restart != RestartMode::always) json["restart"] = to_string(spec.restart);
  if (!spec.success_exit_codes.empty()) json["success_exit_codes"] = spec.success_exit_codes;
  if (spec.restart_limit > 0) {
    json["restart_limit"] = spec.restart_limit;
    json["restart_window"] = spec.restart_window.count();
  }
  if (spec.retry_after.count() > 0) json["retry_after"] = spec.retry_after.count();
  for (const StopSignal& step : spec.stop_steps)
    json["stop_steps"].push_back(fmt::format("{} {}", signal_name(step.number), step.wait.count()));
  if (spec.max_memory_restart > 0) json["max_memory_restart"] = spec.max_memory_restart;
  if (spec.max_uptime.count() > 0) json["max_uptime"] = spec.max_uptime.count();
  if (!spec.cron_restart.empty()) json["cron_restart"] = spec.cron_restart;
  if (!spec.time_zone.empty()) json["time_zone"] = spec.time_zone;
  if (spec.job) {
    json["type"] = "job";
    json["schedule"] = spec.job->schedule;
    json["overlap"] = to_string(spec.job->overlap);
    json["catch_up"] = spec.job->catch_up == CatchUp::one;
    json["timeout"] = spec.job->timeout.count();
    json["retries"] = spec.job->retries;
    json["retry_delay"] = spec.job->retry_delay.count();
  }
  if (!spec.log_date_format.empty()) json["log_date_format"] = spec.log_date_format;
  if (!spec.log_type.empty()) json["log_type"] = spec.log_type;
  if (spec.log_limits.max_size > 0) json["max_log_size"] = spec.log_limits.max_size;
  if (!spec.log_limits.interval.empty()) json["rotate_interval"] = spec.log_limits.interval;
  if (spec.log_limits.max_size > 0 || !spec.log_limits.interval.empty()) {
    json["log_retain"] = spec.log_limits.retain;
    json["log_compress"] = spec.log_limits.compress;
  }
  if (spec.log_limits.when_full != LogWhenFull::wait)
    json["log_when_full"] = to_string(spec.log_limits.when_full);
  if (!spec.watch_paths.empty()) json["watch_paths"] = spec.watch_paths;
  if (!spec.restart_with.empty()) json["requires"] = spec.restart_with;
  if (!spec.origin.empty()) json["origin"] = spec.origin;
  if (!spec.depends_on.empty()) json["depends_on"] = spec.depends_on;
  if (!spec.ignore_watch.empty()) json["ignore_watch"] = spec.ignore_watch;
  if (spec.watch_delay.count() > 0) json["watch_delay"] = spec.watch_delay.count();
  add_limits(json, spec.limits);
  json["instance_var"] = spec.instance_var;
  if (!spec.inherit_env.empty()) json["inherit_env"] = spec.inherit_env;
  if (!spec.secret_files.empty()) json["secret_files"] = spec.secret_files;
  if (!spec.increment_var.empty()) json["increment_var"] = spec.increment_var;
  if (spec.exec_mode == ExecMode::cluster) json["balance"] = to_string(spec.balance);
  if (!spec.listen.empty()) {
    json["listen"] = spec.listen;
    json["start_on_connection"] = spec.start_on_connection;
  }
  json["env"] = environment(spec.env);
}

void add_custom(Json& json, const CustomReport& report) {
  Json& actions = json["axm_actions"] = Json::array();
  for (const CustomAction& action : report.actions)
    actions.push_back(
        {{"action_name", action.name}, {"action_type", action.type}, {"arity", action.arity}});
  Json& metrics = json["axm_monitor"] = Json::object();
  for (const CustomMetric& metric : report.metrics) {
    Json& entry = metrics[metric.name];
    entry["value"] = Json::parse(metric.value, nullptr, false);
    if (!metric.unit.empty()) entry["unit"] = metric.unit;
    if (!metric.type.empty()) entry["type"] = metric.type;
  }
  json["axm_options"] = Json::parse(report.options, nullptr, false);
}

Json pm2_env(const InstanceStatus& one) {
  // Variables first: an attribute of the same name is the attribute (pm2's trap 20 the other way).
  Json json = one.detail ? environment(one.detail->spec.env) : Json::object();
  json["name"] = one.name;
  json["namespace"] = one.name_space;
  json["version"] = one.version.empty() ? "N/A" : one.version;
  json["pm_id"] = one.pm_id;
  json["status"] = to_string(one.state);
  json["reason"] = one.reason;
  json["pm_uptime"] = one.started_at;
  json["created_at"] = one.created_at;
  json["restart_time"] = one.restarts;
  json["unstable_restarts"] = one.unstable_restarts;
  if (one.restart_delay.count() > 0) json["prev_restart_delay"] = one.restart_delay.count();
  json["exec_mode"] = one.exec_mode == ExecMode::cluster ? "cluster_mode" : "fork_mode";
  json["username"] = one.user;
  json["watch"] = one.watching;
  if (!one.watch_problem.empty()) json["watch_problem"] = one.watch_problem;
  if (!one.log_problem.empty()) json["log_problem"] = one.log_problem;
  if (one.log_dropped > 0) json["log_dropped"] = one.log_dropped;
  if (one.next_run) json["next_run"] = *one.next_run;
  if (one.health != Health::unknown) {
    json["health_status"] = to_string(one.health);
    json["health_text"] = one.health_text;
  }
  if (!one.said.empty()) json["status_text"] = one.said;
  add_exit(json, one.last_exit);
  if (one.detail) {
    add_spec(json, one.detail->spec);
    json["pm_out_log_path"] = one.detail->out_path;
    json["pm_err_log_path"] = one.detail->error_path;
    if (!one.detail->log_path.empty()) json["pm_log_path"] = one.detail->log_path;
    json["pm_pid_path"] = one.detail->pid_path;
    json["unique_id"] = one.detail->unique_id;
    json[one.detail->spec.instance_var] = one.instance_number;
  }
  // Exporters read these without asking whether they exist.
  add_custom(json, one.detail ? one.detail->custom : CustomReport());
  json["axm_dynamic"] = Json::object();
  json["pmx"] = false;
  json["vizion"] = false;
  json["automation"] = false;
  json["versioning"] = nullptr;
  return json;
}

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string pm2_env_json(const InstanceStatus& one) { return text_of(pm2_env(one)); }

std::string jlist(const std::vector<InstanceStatus>& instances) {
  Json list = Json::array();
  for (const InstanceStatus& one : instances) {
    const bool online = one.state == InstanceState::online;
    Json json;
    if (one.ever_spawned || one.pid != 0) json["pid"] = one.pid;
    json["name"] = one.name;
    json["pm_id"] = one.pm_id;
    json["monit"] = {{"memory", online ? one.memory_bytes : 0},
                     {"cpu", online ? rounded(one.cpu_percent) : 0.0}};
    json["pm2_env"] = pm2_env(one);
    list.push_back(std::move(json));
  }
  return text_of(list);
}

}  // namespace pmx::cli
