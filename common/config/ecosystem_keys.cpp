// Longer than most files: it is one table, a row for each key, and what its rows call.
#include "common/config/ecosystem_keys.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>
#include <type_traits>
#include <vector>

#include "common/base/date_pattern.h"
#include "common/base/error.h"
#include "common/base/text.h"
#include "common/config/cpu_count.h"
#include "common/config/expansion.h"
#include "common/config/json_values.h"
#include "common/config/secrets.h"
#include "common/config/watch_options.h"
#include "common/config/words.h"

namespace pmx {
namespace {

using Json = nlohmann::json;

// Null if it is what every app has.
template <class T>
Json unless_usual(const T& value, const T& usual) {
  return value == usual ? Json() : values::to_value(value);
}

template <class T>
Json schema_of() {
  return values::schema(T{});
}

template <auto Member>
constexpr EcosystemKey option(std::string_view name, std::string_view aliases = {}) {
  using Value = std::remove_cvref_t<decltype(AppSpec{}.*Member)>;
  return {name,
          aliases,
          values::expected(AppSpec{}.*Member),
          [](const Json& value, LaunchRequest& app) {
            return values::read(value, app.options.*Member);
          },
          [](const AppSpec& spec) { return unless_usual(spec.*Member, AppSpec{}.*Member); },
          schema_of<Value>};
}

// `write`: none if other keys say the same.
template <auto Member>
constexpr EcosystemKey wish(std::string_view name, std::string_view aliases = {},
                            Json (*write)(const AppSpec&) = nullptr) {
  using Value = std::remove_cvref_t<decltype(LaunchRequest{}.*Member)>;
  return {name,
          aliases,
          values::expected(LaunchRequest{}.*Member),
          [](const Json& value, LaunchRequest& app) { return values::read(value, app.*Member); },
          write,
          schema_of<Value>};
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
          },
          [](const AppSpec& spec) {
            return unless_usual((spec.*Part).*Member, (AppSpec{}.*Part).*Member);
          },
          schema_of<std::remove_cvref_t<decltype((AppSpec{}.*Part).*Member)>>};
}

template <auto Member>
constexpr EcosystemKey limit(std::string_view name, std::string_view aliases = {}) {
  return {name,
          aliases,
          values::expected(ProcessLimits{}.*Member),
          [](const Json& value, LaunchRequest& app) {
            return values::read(value, app.options.limits.*Member);
          },
          [](const AppSpec& spec) {
            return unless_usual(spec.limits.*Member, ProcessLimits{}.*Member);
          },
          schema_of<std::remove_cvref_t<decltype(ProcessLimits{}.*Member)>>};
}

template <auto Member>
constexpr EcosystemKey job(std::string_view name) {
  return {
      name,
      {},
      values::expected(JobSpec{}.*Member),
      [](const Json& value, LaunchRequest& app) { return values::read(value, app.job.*Member); },
      [](const AppSpec& spec) {
        return spec.job ? unless_usual((*spec.job).*Member, JobSpec{}.*Member) : Json();
      },
      schema_of<std::remove_cvref_t<decltype(JobSpec{}.*Member)>>};
}

bool set_type(const Json& value, LaunchRequest& app) {
  app.is_job = value == "job";
  return app.is_job || value == "service";
}

Json type_schema(std::initializer_list<const char*> types) { return {{"type", types}}; }

// A user or group: its name or number.
template <auto Member>
constexpr EcosystemKey identity(std::string_view name, std::string_view aliases = {}) {
  return {name,
          aliases,
          "a name or a number",
          [](const Json& value, LaunchRequest& app) {
            std::string& text = app.options.limits.*Member;
            if (value.is_number_integer() && value >= 0) {
              text = value.dump();
              return true;
            }
            return values::read(value, text);
          },
          [](const AppSpec& spec) { return unless_usual(spec.limits.*Member, std::string()); },
          [] {
            return type_schema({"string", "integer"});
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

Json write_log_file(const AppSpec& spec) {
  if (!spec.log_file) return nullptr;
  return spec.log_file->empty() ? Json(true) : values::to_value(*spec.log_file);
}

template <auto Member>
constexpr EcosystemKey log_limit(std::string_view name) {
  return {name,
          {},
          values::expected(LogLimits{}.*Member),
          [](const Json& value, LaunchRequest& app) {
            return values::read(value, app.options.log_limits.*Member);
          },
          [](const AppSpec& spec) {
            return unless_usual(spec.log_limits.*Member, LogLimits{}.*Member);
          },
          schema_of<std::remove_cvref_t<decltype(LogLimits{}.*Member)>>};
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

// As in pm2: true is all, a text one name, a list parts of names.
bool set_filter_env(const Json& value, LaunchRequest& app) {
  std::vector<std::string>& patterns = app.options.inherit_env;
  std::vector<std::string> parts;
  if (value.is_boolean()) {
    if (value == true) patterns.emplace_back("!*");
  } else if (value.is_string()) {
    patterns.push_back("!" + value.get<std::string>());
  } else if (values::read(value, parts)) {
    for (const std::string& part : parts) patterns.push_back("!*" + part + "*");
  } else {
    return false;
  }
  return true;
}

bool set_inherit_env(const Json& value, LaunchRequest& app) {
  std::vector<std::string> names;
  if (value == true) return true;
  if (value != false && !values::read(value, names)) return false;
  const auto is_bad = [](const std::string& name) {
    return name.empty() || name == "!" || name.find('=') != std::string::npos;
  };
  if (std::ranges::any_of(names, is_bad)) return false;
  if (names.empty()) names.emplace_back("!*");
  std::vector<std::string>& patterns = app.options.inherit_env;
  patterns.insert(patterns.end(), names.begin(), names.end());
  return true;
}

// Fork mode, whatever else is said: it comes behind "exec_mode" in the alphabet.
bool set_execute_command(const Json& value, LaunchRequest& app) {
  bool wanted = false;
  if (!values::read(value, wanted)) return false;
  if (wanted) app.exec_mode = ExecMode::fork;
  return true;
}

Json write_script(const AppSpec& spec) { return values::to_value(spec.script); }

// A command is run by the shell that is found; an interpreter would take it for a file.
Json write_interpreter(const AppSpec& spec) {
  return spec.shell ? Json() : values::to_value(spec.interpreter);
}

Json write_instances(const AppSpec& spec) {
  return spec.instances_given || spec.instances > 1 ? Json(spec.instances) : Json();
}

Json write_watch(const AppSpec& spec) {
  if (!spec.watch) return nullptr;
  return spec.watch_paths.empty() ? Json(true) : values::to_value(spec.watch_paths);
}

// Without what pmx has set, and what comes from files. What looks secret is left to the shell.
Json write_env(const AppSpec& spec) {
  Json env = Json::object();
  for (const auto& [name, value] : own_variables(spec)) {
    if (spec.env_origin.contains(name) || !is_utf8(name)) continue;
    env[name] = is_secret(name, value) ? Json("${" + name + "}") : Json(without_expansion(value));
  }
  for (const auto& [name, path] : spec.secret_files)
    env[name] = {{"file", without_expansion(path)}};
  return env.empty() ? Json() : env;
}

Json write_env_files(const AppSpec& spec) {
  std::set<std::string> files;
  for (const auto& [name, origin] : spec.env_origin) {
    if (origin.starts_with('/')) files.insert(origin);
  }
  return files.empty() ? Json() : Json(files);
}

const std::vector<EcosystemKey>& keys() {
  static const std::vector<EcosystemKey> table{
      wish<&LaunchRequest::target>("script", "exec cmd command", write_script),
      wish<&LaunchRequest::interpreter>("interpreter", "exec_interpreter", write_interpreter),
      wish<&LaunchRequest::cwd>("cwd", {}, [](const AppSpec& spec) { return Json(spec.cwd); }),
      wish<&LaunchRequest::env>("env", {}, write_env),
      wish<&LaunchRequest::env_files>("env_file", {}, write_env_files),
      {"inherit_env", "", "a list of names, in which * stands for anything", set_inherit_env,
       [](const AppSpec& spec) { return unless_usual(spec.inherit_env, {}); },
       [] {
         return type_schema({"array", "string", "boolean"});
       }},
      {"filter_env", "", "true, false, or a list of parts of names", set_filter_env, nullptr,
       [] {
         return type_schema({"array", "string", "boolean"});
       }},
      wish<&LaunchRequest::exec_mode>(
          "exec_mode", {},
          [](const AppSpec& spec) { return Json(std::string(to_string(spec.exec_mode))); }),
      {"instances", "", "a number from 1 to 1024, \"max\" or 0, or -1, -2, ...", set_instances,
       write_instances,
       [] {
         return type_schema({"integer", "string"});
       }},
      {"execute_command", "", values::expected(bool{}), set_execute_command, nullptr,
       schema_of<bool>},
      wish<&LaunchRequest::source_maps>("source_map_support"),
      option<&AppSpec::name>("name"),
      wish<&LaunchRequest::name_prefix>("name_prefix"),
      wish<&LaunchRequest::append_env_to_name>("append_env_to_name"),
      option<&AppSpec::name_space>("namespace"),
      option<&AppSpec::args>("args"),
      option<&AppSpec::interpreter_args>("interpreter_args", "node_args"),
      option<&AppSpec::instance_var>("instance_var"),
      option<&AppSpec::increment_var>("increment_var"),
      {"type", "", "\"service\" or \"job\"", set_type,
       [](const AppSpec& spec) { return spec.job ? Json("job") : Json(); },
       [] {
         return Json{{"enum", {"service", "job"}}};
       }},
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
      option<&AppSpec::pid_file>("pid_file", "pid"),
      {"log_file", "log", "true, false or a path", set_log_file, write_log_file,
       [] {
         return type_schema({"boolean", "string"});
       }},
      option<&AppSpec::merge_logs>("merge_logs", "combine_logs"),
      option<&AppSpec::log_date_format>("log_date_format"),
      {"time", "", values::expected(bool{}), set_time, nullptr, schema_of<bool>},
      {"log_type", "", "\"json\" or \"raw\"", set_log_type,
       [](const AppSpec& spec) { return unless_usual(spec.log_type, {}); },
       [] {
         return Json{{"enum", {"json", "raw"}}};
       }},
      wish<&LaunchRequest::disable_logs>("disable_logs"),
      log_limit<&LogLimits::max_size>("max_log_size"),
      log_limit<&LogLimits::interval>("rotate_interval"),
      log_limit<&LogLimits::retain>("log_retain"),
      log_limit<&LogLimits::compress>("log_compress"),
      log_limit<&LogLimits::when_full>("log_when_full"),
      {"port", "", "a number from 1 to 65535", set_port, nullptr, schema_of<int>},
      option<&AppSpec::autostart>("autostart"),
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
      {"treekill", "", values::expected(bool{}), set_treekill, nullptr, schema_of<bool>},
      option<&AppSpec::kill_mode>("kill_mode"),
      option<&AppSpec::stop_command>("stop_command"),
      option<&AppSpec::stop_steps>("stop_steps"),
      option<&AppSpec::max_memory_restart>("max_memory_restart"),
      option<&AppSpec::max_uptime>("max_uptime"),
      {"cron_restart", "cron", "a text of 5 or 6 fields, or 0", set_cron,
       [](const AppSpec& spec) { return unless_usual(spec.cron_restart, {}); },
       [] {
         return type_schema({"string", "integer", "boolean"});
       }},
      option<&AppSpec::time_zone>("time_zone"),
      {"watch", "", "true, false, or a list of paths", set_watch, write_watch,
       [] {
         return type_schema({"boolean", "string", "array"});
       }},
      option<&AppSpec::ignore_watch>("ignore_watch"),
      {"watch_options", "", "an object", set_watch_options, nullptr,
       [] { return type_schema({"object"}); }},
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

enum class Matters { unless_off, never };
struct IgnoredRow {
  std::string_view name;
  Matters matters;
  std::string_view reason = "it is not supported yet";
};
constexpr std::array kIgnored{
    IgnoredRow{"force", Matters::unless_off,
               "a file says what there shall be once; `pmx start -f` makes a second copy"},
    IgnoredRow{"post_update", Matters::unless_off, "there is no `pmx pull` that it would follow"},
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

const std::vector<EcosystemKey>& ecosystem_keys() { return keys(); }

std::vector<std::string_view> ignored_keys() {
  std::vector<std::string_view> names;
  for (const IgnoredRow& row : kIgnored) names.push_back(row.name);
  return names;
}

std::string camel_case(std::string_view key) {
  std::string camel;
  bool hump = false;
  for (const char c : key) {
    if (c != '_')
      camel.push_back(hump ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c);
    hump = c == '_';
  }
  return camel;
}

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
                       (row.matters == Matters::unless_off && is_off(value));
    return IgnoredKey{!usual, row.reason};
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
