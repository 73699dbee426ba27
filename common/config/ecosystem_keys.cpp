#include "common/config/ecosystem_keys.h"

#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/base/date_pattern.h"
#include "common/base/error.h"
#include "common/base/text.h"
#include "common/config/cpu_count.h"
#include "common/config/json_values.h"
#include "common/config/words.h"

namespace pmx {
namespace {

using Json = nlohmann::json;

template <auto Member>
constexpr EcosystemKey option(std::string_view name, std::string_view aliases = {}) {
  return {name, aliases, values::expected(AppSpec{}.*Member),
          [](const Json& value, LaunchRequest& app) {
            return values::read(value, app.options.*Member);
          }};
}

template <auto Member>
constexpr EcosystemKey wish(std::string_view name, std::string_view aliases = {}) {
  return {name, aliases, values::expected(LaunchRequest{}.*Member),
          [](const Json& value, LaunchRequest& app) { return values::read(value, app.*Member); }};
}

bool set_instances(const Json& value, LaunchRequest& app) {
  if (!value.is_string() && !value.is_number()) return false;
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  try {
    resolve_instances(text, 1);
  } catch (const Error&) {
    return false;
  }
  app.instances = text;
  return true;
}

template <auto Part, auto Member>
constexpr EcosystemKey check(std::string_view name) {
  return {name,
          {},
          values::expected((AppSpec{}.*Part).*Member),
          [](const Json& value, LaunchRequest& app) {
            return values::read(value, (app.options.*Part).*Member);
          }};
}

template <auto Member>
constexpr EcosystemKey limit(std::string_view name, std::string_view aliases = {}) {
  return {name, aliases, values::expected(ProcessLimits{}.*Member),
          [](const Json& value, LaunchRequest& app) {
            return values::read(value, app.options.limits.*Member);
          }};
}

template <auto Member>
constexpr EcosystemKey job(std::string_view name) {
  return {name, {}, values::expected(JobSpec{}.*Member), [](const Json& value, LaunchRequest& app) {
            return values::read(value, app.job.*Member);
          }};
}

bool set_type(const Json& value, LaunchRequest& app) {
  app.is_job = value == "job";
  return app.is_job || value == "service";
}

// A user or group: its name or number.
template <auto Member>
constexpr EcosystemKey identity(std::string_view name, std::string_view aliases = {}) {
  return {name, aliases, "a name or a number", [](const Json& value, LaunchRequest& app) {
            std::string& text = app.options.limits.*Member;
            if (value.is_number_unsigned()) {
              text = value.dump();
              return true;
            }
            return values::read(value, text);
          }};
}

// true: the working directory.
bool set_watch(const Json& value, LaunchRequest& app) {
  AppSpec& options = app.options;
  if (values::read(value, options.watch)) return true;
  options.watch = values::read(value, options.watch_paths);
  return options.watch;
}

bool set_treekill(const Json& value, LaunchRequest& app) {
  bool whole = true;
  if (!values::read(value, whole)) return false;
  app.options.kill_mode = whole ? KillMode::tree : KillMode::leader;
  return true;
}

bool set_time(const Json& value, LaunchRequest& app) {
  bool wanted = false;
  if (!values::read(value, wanted)) return false;
  if (wanted && app.options.log_date_format.empty()) app.options.log_date_format = kLogTime;
  return true;
}

bool set_log_type(const Json& value, LaunchRequest& app) {
  app.options.log_type = value == "json" ? "json" : "";
  return value == "json" || value == "raw";
}

// true: a file of the usual name.
bool set_log_file(const Json& value, LaunchRequest& app) {
  bool wanted = true;
  std::string path;
  if (!values::read(value, wanted) && !values::read(value, path)) return false;
  app.options.log_file.reset();
  if (wanted && path != "false") app.options.log_file = path;
  return true;
}

template <auto Member>
constexpr EcosystemKey log_limit(std::string_view name) {
  return {
      name, {}, values::expected(LogLimits{}.*Member), [](const Json& value, LaunchRequest& app) {
        return values::read(value, app.options.log_limits.*Member);
      }};
}

bool set_disable_logs(const Json& value, LaunchRequest& app) {
  bool wanted = false;
  if (!values::read(value, wanted)) return false;
  if (!wanted) return true;
  app.options.out_file = app.options.error_file = "/dev/null";
  app.options.log_file.reset();
  return true;
}

// As in pm2: what most programs look for.
bool set_port(const Json& value, LaunchRequest& app) {
  int port = 0;
  if (!values::read(value, port) || port < 1 || port > 65535) return false;
  app.env.try_emplace("PORT", std::to_string(port));
  return true;
}

// 0 turns it off, as in pm2.
bool set_cron(const Json& value, LaunchRequest& app) {
  if (value == 0 || value == false || value == "0") {
    app.options.cron_restart.clear();
    return true;
  }
  return values::read(value, app.options.cron_restart);
}

const std::vector<EcosystemKey>& keys() {
  static const std::vector<EcosystemKey> table{
      wish<&LaunchRequest::target>("script", "exec cmd command"),
      wish<&LaunchRequest::interpreter>("interpreter", "exec_interpreter"),
      wish<&LaunchRequest::cwd>("cwd"),
      wish<&LaunchRequest::env>("env"),
      wish<&LaunchRequest::exec_mode>("exec_mode"),
      {"instances", "", "a number from 1 to 1024, \"max\" or 0, or -1, -2, ...", set_instances},
      option<&AppSpec::name>("name"),
      option<&AppSpec::name_space>("namespace"),
      option<&AppSpec::args>("args"),
      option<&AppSpec::interpreter_args>("interpreter_args", "node_args"),
      option<&AppSpec::instance_var>("instance_var"),
      option<&AppSpec::increment_var>("increment_var"),
      {"type", "", "\"service\" or \"job\"", set_type},
      job<&JobSpec::schedule>("schedule"),
      job<&JobSpec::overlap>("overlap"),
      job<&JobSpec::catch_up>("catch_up"),
      job<&JobSpec::timeout>("timeout"),
      job<&JobSpec::retries>("retries"),
      job<&JobSpec::retry_delay>("retry_delay"),
      option<&AppSpec::balance>("balance"),
      option<&AppSpec::bind_via>("bind_via"),
      option<&AppSpec::listen>("listen"),
      option<&AppSpec::start_on_connection>("start_on_connection"),
      option<&AppSpec::out_file>("out_file", "out output out_log"),
      option<&AppSpec::error_file>("error_file", "error err err_file err_log"),
      {"log_file", "log", "true, false or a path", set_log_file},
      option<&AppSpec::merge_logs>("merge_logs", "combine_logs"),
      option<&AppSpec::log_date_format>("log_date_format"),
      {"time", "", values::expected(bool{}), set_time},
      {"log_type", "", "\"json\" or \"raw\"", set_log_type},
      {"disable_logs", "", values::expected(bool{}), set_disable_logs},
      log_limit<&LogLimits::max_size>("max_log_size"),
      log_limit<&LogLimits::interval>("rotate_interval"),
      log_limit<&LogLimits::retain>("log_retain"),
      log_limit<&LogLimits::compress>("log_compress"),
      log_limit<&LogLimits::when_full>("log_when_full"),
      {"port", "", "a number from 1 to 65535", set_port},
      option<&AppSpec::autorestart>("autorestart"),
      option<&AppSpec::max_restarts>("max_restarts"),
      option<&AppSpec::min_uptime>("min_uptime"),
      option<&AppSpec::restart_delay>("restart_delay"),
      option<&AppSpec::exp_backoff_restart_delay>("exp_backoff_restart_delay"),
      option<&AppSpec::stop_exit_codes>("stop_exit_codes"),
      option<&AppSpec::restart>("restart"),
      option<&AppSpec::success_exit_codes>("success_exit_codes"),
      option<&AppSpec::max_backoff>("max_backoff"),
      option<&AppSpec::backoff_jitter>("backoff_jitter"),
      option<&AppSpec::restart_limit>("restart_limit"),
      option<&AppSpec::restart_window>("restart_window"),
      option<&AppSpec::retry_after>("retry_after"),
      option<&AppSpec::kill_timeout>("kill_timeout"),
      option<&AppSpec::listen_timeout>("listen_timeout"),
      option<&AppSpec::wait_ready>("wait_ready"),
      check<&AppSpec::ready, &ReadyCheck::probe>("ready"),
      check<&AppSpec::ready, &ReadyCheck::timeout>("ready_timeout"),
      check<&AppSpec::ready, &ReadyCheck::on_timeout>("ready_timeout_action"),
      check<&AppSpec::health, &HealthCheck::probe>("health"),
      check<&AppSpec::health, &HealthCheck::interval>("health_interval"),
      check<&AppSpec::health, &HealthCheck::timeout>("health_timeout"),
      check<&AppSpec::health, &HealthCheck::retries>("health_retries"),
      check<&AppSpec::health, &HealthCheck::start_period>("health_start_period"),
      check<&AppSpec::health, &HealthCheck::action>("health_action"),
      option<&AppSpec::drain_timeout>("drain_timeout"),
      option<&AppSpec::min_ready>("min_ready"),
      option<&AppSpec::max_surge>("max_surge"),
      option<&AppSpec::max_unavailable>("max_unavailable"),
      option<&AppSpec::rollback>("rollback"),
      option<&AppSpec::shutdown_with_message>("shutdown_with_message"),
      {"treekill", "", values::expected(bool{}), set_treekill},
      option<&AppSpec::kill_mode>("kill_mode"),
      option<&AppSpec::stop_command>("stop_command"),
      option<&AppSpec::stop_steps>("stop_steps"),
      option<&AppSpec::max_memory_restart>("max_memory_restart"),
      option<&AppSpec::max_uptime>("max_uptime"),
      {"cron_restart", "cron", "a text of 5 or 6 fields, or 0", set_cron},
      option<&AppSpec::time_zone>("time_zone"),
      {"watch", "", "true, false, or a list of paths", set_watch},
      option<&AppSpec::ignore_watch>("ignore_watch"),
      option<&AppSpec::depends_on>("depends_on"),
      option<&AppSpec::restart_with>("requires"),
      option<&AppSpec::watch_delay>("watch_delay"),
      limit<&ProcessLimits::rlimits>("limits"),
      limit<&ProcessLimits::nice>("nice"),
      limit<&ProcessLimits::io_priority>("ionice"),
      limit<&ProcessLimits::cpu_affinity>("cpu_affinity"),
      limit<&ProcessLimits::oom_score_adj>("oom_score_adj"),
      limit<&ProcessLimits::umask>("umask"),
      limit<&ProcessLimits::no_new_privileges>("no_new_privs"),
      identity<&ProcessLimits::uid>("uid", "user"),
      identity<&ProcessLimits::gid>("gid"),
      limit<&ProcessLimits::groups>("groups"),
      limit<&ProcessLimits::cpu_max>("cpu_max"),
      limit<&ProcessLimits::memory_max>("memory_max"),
      limit<&ProcessLimits::memory_high>("memory_high"),
      limit<&ProcessLimits::pids_max>("pids_max"),
      limit<&ProcessLimits::io_weight>("io_weight"),
  };
  return table;
}

enum class Matters { unless_off, unless_true, never };
struct IgnoredRow {
  std::string_view name;
  Matters matters;
};
constexpr std::array kIgnored{
    IgnoredRow{"append_env_to_name", Matters::unless_off},
    IgnoredRow{"autostart", Matters::unless_true},
    IgnoredRow{"env_file", Matters::unless_off},
    IgnoredRow{"execute_command", Matters::unless_off},
    IgnoredRow{"filter_env", Matters::unless_off},
    IgnoredRow{"force", Matters::unless_off},
    IgnoredRow{"name_prefix", Matters::unless_off},
    IgnoredRow{"pid", Matters::unless_off},
    IgnoredRow{"pid_file", Matters::unless_off},
    IgnoredRow{"post_update", Matters::unless_off},
    IgnoredRow{"source_map_support", Matters::unless_off},
    IgnoredRow{"watch_options", Matters::never},
    // Of pm2's inside, its agent or another system: nothing is missing here.
    IgnoredRow{"automation", Matters::never},
    IgnoredRow{"deep_monitoring", Matters::never},
    IgnoredRow{"disable_source_map_support", Matters::never},
    IgnoredRow{"disable_trace", Matters::never},
    IgnoredRow{"event_loop_inspector", Matters::never},
    IgnoredRow{"install_url", Matters::never},
    IgnoredRow{"io", Matters::never},
    IgnoredRow{"kill_retry_time", Matters::never},
    IgnoredRow{"pmx", Matters::never},
    IgnoredRow{"trace", Matters::never},
    IgnoredRow{"username", Matters::never},
    IgnoredRow{"v8", Matters::never},
    IgnoredRow{"vizion", Matters::never},
    IgnoredRow{"windows_hide", Matters::never},
    IgnoredRow{"write", Matters::never},
};

bool is_off(const Json& value) {
  return value.is_null() || value == false || value == 0 || value == "" || value == "0" ||
         (value.is_array() && value.empty());
}

// "outFile" becomes "out_file"; names with underscores stay as they are.
std::string snake_case(std::string_view key) {
  if (key.find('_') != std::string_view::npos) return std::string(key);
  std::string snake;
  for (const char c : key) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isupper(letter) != 0) snake.push_back('_');
    snake.push_back(static_cast<char>(std::tolower(letter)));
  }
  return snake;
}

bool has_word(std::string_view words, std::string_view word) {
  return (' ' + std::string(words) + ' ').find(' ' + std::string(word) + ' ') != std::string::npos;
}

}  // namespace

const EcosystemKey* find_ecosystem_key(std::string_view key) {
  const std::string name = snake_case(key);
  for (const EcosystemKey& row : keys()) {
    if (row.name == name || (name.find(' ') == std::string::npos && has_word(row.aliases, name))) {
      return &row;
    }
  }
  return nullptr;
}

std::optional<IgnoredKey> find_ignored_key(std::string_view key, const Json& value) {
  const std::string name = snake_case(key);
  for (const IgnoredRow& row : kIgnored) {
    if (row.name != name) continue;
    const bool usual = row.matters == Matters::never || value.is_null() ||
                       (row.matters == Matters::unless_true && value == true) ||
                       (row.matters == Matters::unless_off && is_off(value));
    return IgnoredKey{!usual};
  }
  return std::nullopt;
}

std::optional<std::string> nearest_ecosystem_key(std::string_view key) {
  std::vector<std::string> names;
  for (const EcosystemKey& row : keys()) {
    names.emplace_back(row.name);
    for (std::string& alias : split_words(row.aliases)) names.push_back(std::move(alias));
  }
  return nearest(snake_case(key), names);
}

}  // namespace pmx
