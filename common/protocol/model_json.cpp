// Longer than most files: both directions of each type stand beside each other.
#include "common/protocol/model_json.h"

#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "common/protocol/fields.h"

namespace pmx {

using nlohmann::json;
using protocol::Fields;

// Arguments and variables are bytes, JSON is UTF-8: what is not UTF-8 travels as a list of byte
// values.
json bytes_json(const std::string& bytes) {
  if (is_utf8(bytes)) return bytes;
  json list = json::array();
  for (const char byte : bytes) list.push_back(static_cast<unsigned char>(byte));
  return list;
}

std::string bytes_from(const json& in, std::string_view name) {
  if (in.is_string()) return in.get<std::string>();
  std::string bytes;
  if (!in.is_array()) {
    throw Error(ErrorCode::invalid_request,
                fmt::format("field \"{}\": expected a string, not {}", name, in.type_name()));
  }
  for (const json& byte : in) {
    int value = -1;
    protocol::read_value(byte, name, value);
    if (value < 0 || value > 255) {
      throw Error(ErrorCode::invalid_request,
                  fmt::format("field \"{}\": {} is no byte", name, value));
    }
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(value)));
  }
  return bytes;
}

namespace {

json arguments_json(const std::vector<std::string>& arguments) {
  json list = json::array();
  for (const std::string& argument : arguments) list.push_back(bytes_json(argument));
  return list;
}

void read_arguments(const json& in, const char* name, std::vector<std::string>& out) {
  const auto found = in.find(name);
  if (found == in.end()) return;
  if (!found->is_array())
    throw Error(ErrorCode::invalid_request, fmt::format("field \"{}\": expected a list", name));
  for (const json& argument : *found) out.push_back(bytes_from(argument, name));
}

}  // namespace

json env_json(const Env& env) {
  json out = json::object();
  for (const auto& [name, value] : env) {
    if (is_utf8(name))
      out[name] = bytes_json(
          value);  // a name that is no text cannot be a key; no program reads such a variable
  }
  return out;
}

Env env_from(const json& in) {
  if (!in.is_object()) throw Error(ErrorCode::invalid_request, "field \"env\": expected an object");
  Env env;
  for (const auto& [name, value] : in.items()) env[name] = bytes_from(value, name);
  return env;
}

void to_json(json& out, const StopSignal& value) {
  out = json{{"signal", value.number}, {"wait", value.wait.count()}};
}

void from_json(const json& in, StopSignal& value) {
  value = StopSignal{};
  Fields(in).required("signal", value.number).required("wait", value.wait);
}

void to_json(json& out, const ProcessLimits& value) {
  out = json{{"rlimits", value.rlimits},
             {"ionice", value.io_priority},
             {"cpu_affinity", value.cpu_affinity},
             {"umask", value.umask},
             {"no_new_privs", value.no_new_privileges},
             {"uid", value.uid},
             {"gid", value.gid},
             {"groups", value.groups}};
  if (value.nice) out["nice"] = *value.nice;
  if (value.oom_score_adj) out["oom_score_adj"] = *value.oom_score_adj;
  if (!value.cpu_max.empty()) out["cpu_max"] = value.cpu_max;
  if (value.memory_max > 0) out["memory_max"] = value.memory_max;
  if (value.memory_high > 0) out["memory_high"] = value.memory_high;
  if (value.pids_max) out["pids_max"] = *value.pids_max;
  if (value.io_weight) out["io_weight"] = *value.io_weight;
}

void from_json(const json& in, ProcessLimits& value) {
  value = ProcessLimits{};
  Fields(in)
      .optional("rlimits", value.rlimits)
      .optional("nice", value.nice)
      .optional("ionice", value.io_priority)
      .optional("cpu_affinity", value.cpu_affinity)
      .optional("oom_score_adj", value.oom_score_adj)
      .optional("umask", value.umask)
      .optional("no_new_privs", value.no_new_privileges)
      .optional("uid", value.uid)
      .optional("gid", value.gid)
      .optional("groups", value.groups)
      .optional("cpu_max", value.cpu_max)
      .optional("memory_max", value.memory_max)
      .optional("memory_high", value.memory_high)
      .optional("pids_max", value.pids_max)
      .optional("io_weight", value.io_weight);
}

void to_json(json& out, const JobSpec& value) {
  out = json{{"schedule", value.schedule},
             {"overlap", to_string(value.overlap)},
             {"catch_up", to_string(value.catch_up)},
             {"timeout", value.timeout.count()},
             {"retries", value.retries},
             {"retry_delay", value.retry_delay.count()}};
}

void from_json(const json& in, JobSpec& value) {
  value = JobSpec{};
  Fields(in)
      .optional("schedule", value.schedule)
      .named("overlap", value.overlap, overlap_from)
      .named("catch_up", value.catch_up, catch_up_from)
      .optional("timeout", value.timeout)
      .optional("retries", value.retries)
      .optional("retry_delay", value.retry_delay);
}

void to_json(json& out, const ReadyCheck& value) {
  out = json{{"probe", value.probe},
             {"timeout", value.timeout.count()},
             {"on_timeout", to_string(value.on_timeout)}};
}

void from_json(const json& in, ReadyCheck& value) {
  value = ReadyCheck{};
  Fields(in)
      .optional("probe", value.probe)
      .optional("timeout", value.timeout)
      .named("on_timeout", value.on_timeout, ready_timeout_action_from);
}

void to_json(json& out, const HealthCheck& value) {
  out = json{{"probe", value.probe},
             {"interval", value.interval.count()},
             {"timeout", value.timeout.count()},
             {"retries", value.retries},
             {"start_period", value.start_period.count()},
             {"action", to_string(value.action)}};
}

void from_json(const json& in, HealthCheck& value) {
  value = HealthCheck{};
  Fields(in)
      .optional("probe", value.probe)
      .optional("interval", value.interval)
      .optional("timeout", value.timeout)
      .optional("retries", value.retries)
      .optional("start_period", value.start_period)
      .named("action", value.action, health_action_from);
}

void to_json(json& out, const AppSpec& value) {
  out = json{{"name", value.name},
             {"namespace", value.name_space},
             {"version", value.version},
             {"script", value.script},
             {"shell", value.shell},
             {"args", arguments_json(value.args)},
             {"interpreter", value.interpreter},
             {"interpreter_path", value.interpreter_path},
             {"interpreter_args", arguments_json(value.interpreter_args)},
             {"cwd", value.cwd},
             {"env", env_json(value.env)},
             {"exec_mode", to_string(value.exec_mode)},
             {"instances", value.instances},
             {"instances_given", value.instances_given},
             {"instance_var", value.instance_var},
             {"increment_var", value.increment_var},
             {"balance", to_string(value.balance)},
             {"bind_via", to_string(value.bind_via)},
             {"listen", value.listen},
             {"start_on_connection", value.start_on_connection},
             {"out_file", value.out_file},
             {"error_file", value.error_file},
             {"autorestart", value.autorestart},
             {"max_restarts", value.max_restarts},
             {"min_uptime", value.min_uptime.count()},
             {"restart_delay", value.restart_delay.count()},
             {"exp_backoff_restart_delay", value.exp_backoff_restart_delay.count()},
             {"stop_exit_codes", value.stop_exit_codes},
             {"restart", to_string(value.restart)},
             {"success_exit_codes", value.success_exit_codes},
             {"max_backoff", value.max_backoff.count()},
             {"backoff_jitter", value.backoff_jitter},
             {"restart_limit", value.restart_limit},
             {"restart_window", value.restart_window.count()},
             {"retry_after", value.retry_after.count()},
             {"kill_timeout", value.kill_timeout.count()},
             {"listen_timeout", value.listen_timeout.count()},
             {"wait_ready", value.wait_ready},
             {"ready", value.ready},
             {"health", value.health},
             {"drain_timeout", value.drain_timeout.count()},
             {"min_ready", value.min_ready.count()},
             {"max_surge", value.max_surge},
             {"max_unavailable", value.max_unavailable},
             {"rollback", value.rollback},
             {"shutdown_with_message", value.shutdown_with_message},
             {"kill_mode", to_string(value.kill_mode)},
             {"stop_command", value.stop_command},
             {"stop_steps", value.stop_steps},
             {"max_memory_restart", value.max_memory_restart},
             {"max_uptime", value.max_uptime.count()},
             {"cron_restart", value.cron_restart},
             {"time_zone", value.time_zone},
             {"watch", value.watch},
             {"watch_paths", value.watch_paths},
             {"ignore_watch", value.ignore_watch},
             {"depends_on", value.depends_on},
             {"watch_delay", value.watch_delay.count()},
             {"limits", value.limits},
             {"own_env", value.own_env},
             {"hidden_env", env_json(value.hidden_env)},
             {"env_origin", env_json(value.env_origin)},
             {"secret_files", env_json(value.secret_files)},
             {"inherit_env", value.inherit_env},
             {"pid_file", value.pid_file},
             {"autostart", value.autostart},
             {"restart_with", value.restart_with},
             {"log_date_format", value.log_date_format},
             {"log_type", value.log_type},
             {"max_log_size", value.log_limits.max_size},
             {"rotate_interval", value.log_limits.interval},
             {"log_retain", value.log_limits.retain},
             {"log_compress", value.log_limits.compress},
             {"log_when_full", to_string(value.log_limits.when_full)},
             {"origin", value.origin},
             {"user", value.user}};
  if (value.merge_logs) out["merge_logs"] = *value.merge_logs;
  if (value.log_file) out["log_file"] = *value.log_file;
  if (value.job) out["job"] = *value.job;
}

void from_json(const json& in, AppSpec& value) {
  value = AppSpec{};
  Fields(in)
      .required("name", value.name)
      .required("script", value.script)
      .required("interpreter", value.interpreter)
      .required("cwd", value.cwd)
      .optional("namespace", value.name_space)
      .optional("version", value.version)
      .optional("shell", value.shell)
      .optional("interpreter_path", value.interpreter_path)
      .optional("instances", value.instances)
      .optional("instances_given", value.instances_given)
      .optional("instance_var", value.instance_var)
      .optional("increment_var", value.increment_var)
      .optional("listen", value.listen)
      .optional("start_on_connection", value.start_on_connection)
      .optional("out_file", value.out_file)
      .optional("error_file", value.error_file)
      .optional("pid_file", value.pid_file)
      .optional("autostart", value.autostart)
      .optional("inherit_env", value.inherit_env)
      .optional("merge_logs", value.merge_logs)
      .optional("autorestart", value.autorestart)
      .optional("max_restarts", value.max_restarts)
      .optional("min_uptime", value.min_uptime)
      .optional("restart_delay", value.restart_delay)
      .optional("exp_backoff_restart_delay", value.exp_backoff_restart_delay)
      .optional("stop_exit_codes", value.stop_exit_codes)
      .optional("success_exit_codes", value.success_exit_codes)
      .optional("max_backoff", value.max_backoff)
      .optional("backoff_jitter", value.backoff_jitter)
      .optional("restart_limit", value.restart_limit)
      .optional("restart_window", value.restart_window)
      .optional("retry_after", value.retry_after)
      .optional("kill_timeout", value.kill_timeout)
      .optional("listen_timeout", value.listen_timeout)
      .optional("wait_ready", value.wait_ready)
      .optional("job", value.job)
      .optional("ready", value.ready)
      .optional("health", value.health)
      .optional("drain_timeout", value.drain_timeout)
      .optional("min_ready", value.min_ready)
      .optional("max_surge", value.max_surge)
      .optional("max_unavailable", value.max_unavailable)
      .optional("rollback", value.rollback)
      .optional("shutdown_with_message", value.shutdown_with_message)
      .optional("stop_command", value.stop_command)
      .optional("stop_steps", value.stop_steps)
      .optional("max_memory_restart", value.max_memory_restart)
      .optional("max_uptime", value.max_uptime)
      .optional("cron_restart", value.cron_restart)
      .optional("time_zone", value.time_zone)
      .optional("watch", value.watch)
      .optional("watch_paths", value.watch_paths)
      .optional("ignore_watch", value.ignore_watch)
      .optional("depends_on", value.depends_on)
      .optional("watch_delay", value.watch_delay)
      .optional("limits", value.limits)
      .optional("own_env", value.own_env)
      .optional("restart_with", value.restart_with)
      .optional("log_date_format", value.log_date_format)
      .optional("log_type", value.log_type)
      .optional("log_file", value.log_file)
      .optional("max_log_size", value.log_limits.max_size)
      .optional("rotate_interval", value.log_limits.interval)
      .optional("log_retain", value.log_limits.retain)
      .optional("log_compress", value.log_limits.compress)
      .optional("origin", value.origin)
      .optional("user", value.user)
      .named("exec_mode", value.exec_mode, exec_mode_from);
  // Older clients and databases know nothing of these, or by another name.
  bool treekill = true;
  Fields(in).optional("treekill", treekill);
  if (!treekill) value.kill_mode = KillMode::leader;
  if (in.contains("kill_mode")) Fields(in).named("kill_mode", value.kill_mode, kill_mode_from);
  if (in.contains("balance")) Fields(in).named("balance", value.balance, balance_from);
  if (in.contains("restart")) Fields(in).named("restart", value.restart, restart_mode_from);
  if (in.contains("log_when_full"))
    Fields(in).named("log_when_full", value.log_limits.when_full, log_when_full_from);
  if (in.contains("bind_via")) Fields(in).named("bind_via", value.bind_via, bind_via_from);
  read_arguments(in, "args", value.args);
  read_arguments(in, "interpreter_args", value.interpreter_args);
  if (const auto env = in.find("env"); env != in.end()) value.env = env_from(*env);
  if (const auto env = in.find("hidden_env"); env != in.end()) value.hidden_env = env_from(*env);
  if (const auto env = in.find("env_origin"); env != in.end()) value.env_origin = env_from(*env);
  if (const auto env = in.find("secret_files"); env != in.end())
    value.secret_files = env_from(*env);
}

namespace {

std::optional<ExitStatus::Kind> exit_kind_from(std::string_view text) {
  if (text == "exited") return ExitStatus::Kind::exited;
  if (text == "signalled") return ExitStatus::Kind::signalled;
  if (text == "unknown") return ExitStatus::Kind::unknown;
  return std::nullopt;
}

std::string_view name_of(ExitStatus::Kind kind) {
  switch (kind) {
    case ExitStatus::Kind::exited:
      return "exited";
    case ExitStatus::Kind::signalled:
      return "signalled";
    case ExitStatus::Kind::unknown:
      break;
  }
  return "unknown";
}

}  // namespace

void to_json(json& out, const ExitStatus& value) {
  out = json{
      {"kind", name_of(value.kind)}, {"value", value.value}, {"core_dumped", value.core_dumped}};
}

void from_json(const json& in, ExitStatus& value) {
  value = ExitStatus{};
  Fields(in)
      .named("kind", value.kind, exit_kind_from)
      .optional("value", value.value)
      .optional("core_dumped", value.core_dumped);
}

void to_json(json& out, const CustomAction& value) {
  out = json{{"name", value.name}, {"type", value.type}, {"arity", value.arity}};
}

void from_json(const json& in, CustomAction& value) {
  Fields(in)
      .required("name", value.name)
      .optional("type", value.type)
      .optional("arity", value.arity);
}

void to_json(json& out, const CustomMetric& value) {
  out = json{
      {"name", value.name}, {"value", value.value}, {"unit", value.unit}, {"type", value.type}};
}

void from_json(const json& in, CustomMetric& value) {
  Fields(in)
      .required("name", value.name)
      .required("value", value.value)
      .optional("unit", value.unit)
      .optional("type", value.type);
}

void to_json(json& out, const CustomReport& value) {
  out = json{{"actions", value.actions},
             {"metrics", value.metrics},
             {"options", value.options},
             {"refused", value.refused},
             {"refusal", value.refusal}};
}

void from_json(const json& in, CustomReport& value) {
  Fields(in)
      .optional("actions", value.actions)
      .optional("metrics", value.metrics)
      .optional("options", value.options)
      .optional("refused", value.refused)
      .optional("refusal", value.refusal);
}

void to_json(json& out, const InstanceStatus& value) {
  out = json{{"pm_id", value.pm_id},
             {"instance_number", value.instance_number},
             {"name", value.name},
             {"namespace", value.name_space},
             {"version", value.version},
             {"exec_mode", to_string(value.exec_mode)},
             {"user", value.user},
             {"state", to_string(value.state)},
             {"reason", value.reason},
             {"pid", value.pid},
             {"ever_spawned", value.ever_spawned},
             {"started_at", value.started_at},
             {"created_at", value.created_at},
             {"restarts", value.restarts},
             {"unstable_restarts", value.unstable_restarts},
             {"restart_delay", value.restart_delay.count()},
             {"cpu_percent", value.cpu_percent},
             {"memory_bytes", value.memory_bytes},
             {"watching", value.watching},
             {"watch_problem", value.watch_problem},
             {"log_problem", value.log_problem},
             {"log_dropped", value.log_dropped},
             {"health", to_string(value.health)},
             {"health_text", value.health_text},
             {"said", value.said}};
  if (value.last_exit) out["last_exit"] = *value.last_exit;
  if (value.next_run) out["next_run"] = *value.next_run;
  if (value.detail) {
    out["detail"] = json{{"spec", value.detail->spec},
                         {"out_path", value.detail->out_path},
                         {"error_path", value.detail->error_path},
                         {"log_path", value.detail->log_path},
                         {"pid_path", value.detail->pid_path},
                         {"unique_id", value.detail->unique_id},
                         {"tree_by", value.detail->tree_by},
                         {"custom", value.detail->custom},
                         {"sockets", value.detail->sockets}};
  }
}

void from_json(const json& in, InstanceStatus& value) {
  value = InstanceStatus{};
  const Fields fields(in);
  fields.required("pm_id", value.pm_id)
      .required("name", value.name)
      .optional("instance_number", value.instance_number)
      .optional("namespace", value.name_space)
      .optional("version", value.version)
      .optional("user", value.user)
      .optional("reason", value.reason)
      .optional("pid", value.pid)
      .optional("ever_spawned", value.ever_spawned)
      .optional("started_at", value.started_at)
      .optional("created_at", value.created_at)
      .optional("restarts", value.restarts)
      .optional("unstable_restarts", value.unstable_restarts)
      .optional("restart_delay", value.restart_delay)
      .optional("cpu_percent", value.cpu_percent)
      .optional("memory_bytes", value.memory_bytes)
      .optional("watching", value.watching)
      .optional("watch_problem", value.watch_problem)
      .optional("log_problem", value.log_problem)
      .optional("log_dropped", value.log_dropped)
      .optional("next_run", value.next_run)
      .optional("health_text", value.health_text)
      .optional("said", value.said)
      .optional("last_exit", value.last_exit)
      .named("exec_mode", value.exec_mode, exec_mode_from)
      .named("state", value.state, instance_state_from);
  if (in.contains("health")) fields.named("health", value.health, health_from);
  const auto detail = in.find("detail");
  if (detail == in.end()) return;
  InstanceStatus::Detail& d = value.detail.emplace(InstanceStatus::Detail{});
  Fields(*detail)
      .required("spec", d.spec)
      .optional("out_path", d.out_path)
      .optional("error_path", d.error_path)
      .optional("log_path", d.log_path)
      .optional("pid_path", d.pid_path)
      .optional("unique_id", d.unique_id)
      .optional("tree_by", d.tree_by)
      .optional("custom", d.custom)
      .optional("sockets", d.sockets);
}

}  // namespace pmx
