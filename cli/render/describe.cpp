#include "cli/render/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/render/cells.h"
#include "cli/render/table.h"
#include "cli/render/text_width.h"
#include "common/config/launch.h"
#include "common/model/door.h"
#include "common/model/signal_name.h"

namespace pmx::cli {
namespace {

std::string quoted(const std::vector<std::string>& words) {
  std::string result;
  for (const std::string& word : words) {
    if (!result.empty()) result += ' ';
    result += shell_word(word);
  }
  return result;
}

std::string yes_no(bool value) { return value ? "yes" : "no"; }

std::string milliseconds(Millis value) { return fmt::format("{} ms", value.count()); }

std::string or_not_known(const std::string& text) { return text.empty() ? "N/A" : text; }

class Rows {
 public:
  void add(std::string_view key, std::string value, Colour colour = Colour::none) {
    rows_.push_back({std::string(key), std::move(value), colour});
  }

  std::vector<DescribedRow> take() { return std::move(rows_); }

 private:
  std::vector<DescribedRow> rows_;
};

// Values do not fit a narrow terminal: they go on in the next line instead of being cut.
std::string render(const std::vector<DescribedRow>& rows, const ListStyle& style) {
  std::size_t key_width = 0;
  for (const DescribedRow& row : rows) key_width = std::max(key_width, row.key.size());
  constexpr std::size_t kBorders = 7;
  constexpr std::size_t kLeastValue = 16;
  const bool fits = !style.width || *style.width >= key_width + kBorders + kLeastValue;
  const std::size_t value_width =
      style.width && fits ? *style.width - key_width - kBorders : std::size_t{100000};
  Table table({{""}, {""}});
  for (const DescribedRow& row : rows) {
    std::string rest = printable(row.value);
    std::string key = row.key;
    do {
      const std::size_t bytes = bytes_within(rest, value_width);
      table.add({{key, Colour::cyan}, {rest.substr(0, bytes), row.colour}});
      rest.erase(0, bytes);
      key.clear();
    } while (!rest.empty());
  }
  return table.render(style.width, style.colours);
}

void add_spec(Rows& rows, const AppSpec& spec) {
  rows.add("script path", spec.script);
  if (spec.shell) {
    rows.add("shell command",
             "the script is the text of a shell command, run by " +
                 (spec.interpreter_path.empty() ? spec.interpreter : spec.interpreter_path));
  }
  rows.add("script args", spec.args.empty() ? "N/A" : quoted(spec.args));
  rows.add("exec", command_line_of(spec));
  rows.add("interpreter", or_not_known(spec.interpreter));
  rows.add("interpreter args",
           spec.interpreter_args.empty() ? "N/A" : quoted(spec.interpreter_args));
  rows.add("exec cwd", spec.cwd);
}

void add_limits(Rows& rows, const ProcessLimits& limits) {
  for (const auto& [name, value] : limits.rlimits) rows.add("limit " + name, value);
  if (limits.nice) rows.add("nice", std::to_string(*limits.nice));
  if (!limits.io_priority.empty()) rows.add("ionice", limits.io_priority);
  if (!limits.cpu_affinity.empty()) rows.add("cpu affinity", limits.cpu_affinity);
  if (limits.oom_score_adj) rows.add("oom score adj", std::to_string(*limits.oom_score_adj));
  if (!limits.umask.empty()) rows.add("umask", limits.umask);
  if (limits.no_new_privileges) rows.add("no new privileges", "yes");
  if (!limits.cpu_max.empty()) rows.add("cpu max", limits.cpu_max);
  if (limits.memory_high > 0) rows.add("memory high", memory_text(limits.memory_high));
  if (limits.memory_max > 0) rows.add("memory max", memory_text(limits.memory_max));
  if (limits.pids_max) rows.add("pids max", std::to_string(*limits.pids_max));
  if (limits.io_weight) rows.add("io weight", std::to_string(*limits.io_weight));
  if (!limits.uid.empty()) rows.add("user", limits.uid);
  if (!limits.gid.empty()) rows.add("group", limits.gid);
  if (!limits.groups.empty()) rows.add("groups", fmt::format("{}", fmt::join(limits.groups, ", ")));
}

void add_job(Rows& rows, const JobSpec& job, const std::string& time_zone) {
  rows.add("job", job.schedule.empty()
                      ? "one run"
                      : job.schedule + (time_zone.empty() ? "" : " in " + time_zone));
  if (!job.schedule.empty()) {
    rows.add("overlap", std::string(to_string(job.overlap)));
    rows.add("missed times", job.catch_up == CatchUp::one ? "one run makes up" : "left out");
  }
  if (job.timeout.count() > 0) rows.add("timeout", milliseconds(job.timeout));
  if (job.retries > 0)
    rows.add("retries", fmt::format("{}, {} apart", job.retries, milliseconds(job.retry_delay)));
}

void add_log_limits(Rows& rows, const LogLimits& limits) {
  if (limits.max_size > 0) rows.add("max log size", memory_text(limits.max_size));
  if (!limits.interval.empty()) rows.add("rotate interval", limits.interval);
  if (limits.max_size > 0 || !limits.interval.empty())
    rows.add("old logs kept",
             fmt::format("{}{}", limits.retain, limits.compress ? ", compressed" : ""));
  if (limits.when_full != LogWhenFull::wait)
    rows.add("log when full", std::string(to_string(limits.when_full)));
}

void add_custom(Rows& rows, const CustomReport& report) {
  for (const CustomMetric& metric : report.metrics) {
    // JSON text of a scalar.
    const bool is_text = metric.value.size() >= 2 && metric.value.front() == '"';
    const std::string value =
        is_text ? metric.value.substr(1, metric.value.size() - 2) : metric.value;
    rows.add("metric " + printable(metric.name),
             value + (metric.unit.empty() ? "" : " " + metric.unit));
  }
  for (const CustomAction& action : report.actions) {
    rows.add("action", fmt::format("{}{}", action.name, action.arity > 1 ? " <parameter>" : ""));
  }
  if (report.refused > 0)
    rows.add("messages refused",
             fmt::format("{}; the last one: {}", report.refused, report.refusal));
}

std::string_view sharing_way(Door door) {
  switch (door) {
    case Door::node:
      return "Node's cluster protocol";
    case Door::preload:
      return "libpmx-listen.so (LD_PRELOAD)";
    case Door::seccomp:
      return "seccomp notification of bind and listen";
    case Door::none:
      break;
  }
  return {};
}

// What is not usual.
void add_reload(Rows& rows, const AppSpec& spec) {
  const AppSpec usual;
  if (spec.drain_timeout != usual.drain_timeout)
    rows.add("drain timeout", milliseconds(spec.drain_timeout));
  if (spec.min_ready != usual.min_ready) rows.add("min ready", milliseconds(spec.min_ready));
  if (spec.max_surge != usual.max_surge) rows.add("max surge", std::to_string(spec.max_surge));
  if (spec.max_unavailable != usual.max_unavailable)
    rows.add("max unavailable", std::to_string(spec.max_unavailable));
  if (spec.rollback != usual.rollback) rows.add("rollback", yes_no(spec.rollback));
  if (spec.max_backoff != usual.max_backoff)
    rows.add("max backoff", milliseconds(spec.max_backoff));
  if (spec.backoff_jitter != usual.backoff_jitter)
    rows.add("backoff jitter", fmt::format("{} %", spec.backoff_jitter));
  if (spec.start_on_connection) rows.add("start on connection", "yes");
}

void add_policy(Rows& rows, const AppSpec& spec) {
  rows.add("autorestart", yes_no(spec.autorestart));
  rows.add("max restarts", fmt::format("{} unstable ones (uptime below {})", spec.max_restarts,
                                       milliseconds(spec.min_uptime)));
  if (spec.restart_delay.count() > 0) rows.add("restart delay", milliseconds(spec.restart_delay));
  if (spec.exp_backoff_restart_delay.count() > 0) {
    rows.add("exp backoff restart delay", milliseconds(spec.exp_backoff_restart_delay));
  }
  if (!spec.stop_exit_codes.empty()) {
    rows.add("stop exit codes", fmt::format("{}", fmt::join(spec.stop_exit_codes, ", ")));
  }
  if (spec.restart != RestartMode::always)
    rows.add("restart", std::string(to_string(spec.restart)));
  if (!spec.success_exit_codes.empty())
    rows.add("success exit codes", fmt::format("{}", fmt::join(spec.success_exit_codes, ", ")));
  if (spec.restart_limit > 0)
    rows.add("restart limit",
             fmt::format("{} within {}", spec.restart_limit, milliseconds(spec.restart_window)));
  if (spec.retry_after.count() > 0) rows.add("retry after", milliseconds(spec.retry_after));
  add_reload(rows, spec);
  rows.add("kill timeout", milliseconds(spec.kill_timeout));
  if (!spec.ready.probe.empty()) {
    rows.add("ready when",
             fmt::format("{}, at most {}{}", spec.ready.probe, milliseconds(spec.ready.timeout),
                         spec.ready.on_timeout == ReadyTimeoutAction::online
                             ? ", then online all the same"
                             : ""));
  } else if (spec.wait_ready) {
    rows.add("wait ready", "yes, at most " + milliseconds(spec.listen_timeout));
  }
  if (!spec.health.probe.empty())
    rows.add("health check",
             fmt::format("{}, every {}, at most {}, {} bad ones in a row: {}", spec.health.probe,
                         milliseconds(spec.health.interval), milliseconds(spec.health.timeout),
                         spec.health.retries, to_string(spec.health.action)));
  if (spec.exec_mode == ExecMode::cluster)
    rows.add("balance", std::string(to_string(spec.balance)));
  const std::string_view way = sharing_way(door_of(spec));
  const std::string remark = sharing_remark(spec);
  if (!way.empty()) rows.add("shares ports by", std::string(way));
  if (!remark.empty()) {
    rows.add("shares no ports",
             remark + (seccomp_would_share(spec) ? "; bind_via \"seccomp\" changes that" : ""));
  }
  if (!spec.depends_on.empty())
    rows.add("depends on", fmt::format("{}", fmt::join(spec.depends_on, ", ")));
  if (!spec.restart_with.empty())
    rows.add("requires", fmt::format("{}", fmt::join(spec.restart_with, ", ")));
  if (!spec.listen.empty()) rows.add("listen", fmt::format("{}", fmt::join(spec.listen, ", ")));
  if (spec.shutdown_with_message) rows.add("shutdown with message", "yes");
  if (spec.kill_mode != KillMode::tree)
    rows.add("kill mode", std::string(to_string(spec.kill_mode)));
  if (!spec.stop_command.empty()) rows.add("stop command", spec.stop_command);
  for (const StopSignal& step : spec.stop_steps)
    rows.add("stop step", signal_name(step.number) + ", " + milliseconds(step.wait));
  if (spec.max_memory_restart > 0)
    rows.add("max memory restart", memory_text(spec.max_memory_restart));
  if (spec.max_uptime.count() > 0) rows.add("max uptime", milliseconds(spec.max_uptime));
  if (!spec.cron_restart.empty())
    rows.add("cron restart",
             spec.cron_restart + (spec.time_zone.empty() ? "" : " in " + spec.time_zone));
  if (!spec.log_date_format.empty()) rows.add("log date format", spec.log_date_format);
  if (!spec.log_type.empty()) rows.add("log type", spec.log_type);
  add_log_limits(rows, spec.log_limits);
  if (spec.job) add_job(rows, *spec.job, spec.time_zone);
  if (spec.watch)
    rows.add("watch", spec.watch_paths.empty()
                          ? spec.cwd
                          : fmt::format("{}", fmt::join(spec.watch_paths, ", ")));
  if (!spec.ignore_watch.empty())
    rows.add("ignore watch", fmt::format("{}", fmt::join(spec.ignore_watch, ", ")));
  if (spec.watch_delay.count() > 0) rows.add("watch delay", milliseconds(spec.watch_delay));
  add_limits(rows, spec.limits);
}

// Names and where they are from; the rest is of the shell.
std::string own_variables_text(const AppSpec& spec) {
  std::map<std::string, std::vector<std::string>> names;  // by where they are from
  for (const std::string& name : spec.own_env) names[origin_of(spec, name)].push_back(name);
  for (const auto& [name, file] : spec.secret_files) names[file].push_back(name + " (secret)");
  std::vector<std::string> parts;
  for (const auto& [origin, list] : names)
    parts.push_back(fmt::format("{} from {}", fmt::join(list, ", "), origin));
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,@%+";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string result = "'";
  for (const char c : word) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + "'";
}

std::string command_line_of(const AppSpec& spec) {
  std::vector<std::string> words = argv_of(spec);
  // argv[0] may be a short name; what is executed is the whole path.
  if (!words.empty()) words.front() = program_of(spec);
  return quoted(words);
}

std::vector<DescribedRow> described(const InstanceStatus& one, WallMillis now) {
  const Cell state = state_cell(one);
  Rows rows;
  rows.add("status", state.text, state.colour);
  if (!one.reason.empty()) rows.add("reason", one.reason);
  if (one.health != Health::unknown)
    rows.add("health", std::string(to_string(one.health)) +
                           (one.health_text.empty() ? "" : ": " + one.health_text));
  if (!one.said.empty()) rows.add("says", one.said);
  rows.add("name", one.name);
  rows.add("namespace", one.name_space);
  rows.add("version", or_not_known(one.version));
  rows.add("pid", pid_cell(one).text);
  rows.add("restarts", fmt::format("{}", one.restarts));
  rows.add("unstable restarts", fmt::format("{}", one.unstable_restarts));
  if (one.restart_delay.count() > 0) {
    rows.add("present restart delay", milliseconds(one.restart_delay));
  }
  if (one.last_exit) rows.add("last exit", one.last_exit->describe());
  rows.add("uptime", uptime_cell(one, now).text);
  rows.add("cpu, memory", fmt::format("{}, {} (whole process tree)", cpu_text(one.cpu_percent),
                                      memory_text(one.memory_bytes)));
  if (one.detail) add_spec(rows, one.detail->spec);
  if (one.detail) {
    rows.add("error log path", one.detail->error_path);
    rows.add("out log path", one.detail->out_path);
    if (!one.detail->log_path.empty()) rows.add("entire log path", one.detail->log_path);
    rows.add("pid path", one.detail->pid_path);
  }
  rows.add("script id", fmt::format("{}", one.pm_id));
  rows.add("exec mode", fmt::format("{}_mode", to_string(one.exec_mode)));
  if (one.detail) {
    const AppSpec& spec = one.detail->spec;
    const auto node_env = spec.env.find("NODE_ENV");
    if (const std::string variables = own_variables_text(spec); !variables.empty())
      rows.add("own variables", variables);
    if (!spec.inherit_env.empty())
      rows.add("inherits variables", fmt::format("{}", fmt::join(spec.inherit_env, ", ")));
    rows.add("node env", node_env == spec.env.end() ? "N/A" : node_env->second);
    rows.add("instance",
             fmt::format("{}={} of {}", spec.instance_var, one.instance_number, spec.instances));
    add_policy(rows, spec);
    if (!one.detail->tree_by.empty()) rows.add("process tree by", one.detail->tree_by);
    for (const std::string& socket : one.detail->sockets) rows.add("socket", socket);
    add_custom(rows, one.detail->custom);
  }
  rows.add("watch & reload", yes_no(one.watching));
  if (one.next_run) rows.add("next run", time_text(*one.next_run));
  if (!one.log_problem.empty()) rows.add("log problem", one.log_problem, Colour::yellow);
  if (one.log_dropped > 0)
    rows.add("log dropped", fmt::format("{} bytes", one.log_dropped), Colour::yellow);
  if (!one.watch_problem.empty()) rows.add("watch problem", one.watch_problem, Colour::yellow);
  rows.add("created at", time_text(one.created_at));
  rows.add("user", or_not_known(one.user));
  return rows.take();
}

std::string describe(const InstanceStatus& one, const ListStyle& style) {
  const std::string title =
      fmt::format(" Describing process with id {} - name {}", one.pm_id, printable(one.name));
  const std::string shown = style.width ? shorten(title, *style.width) : title;
  return (style.colours ? coloured(shown, Colour::bold) : shown) + "\n" +
         render(described(one, style.now), style);
}

}  // namespace pmx::cli
