// Longer than most files: the tables of fields, of pm2 and of our own, are read and written by the same rows.
#include "common/config/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/config/json_values.h"
#include "common/sys/file.h"

namespace pmx {
namespace {

using Json = nlohmann::json;

constexpr mode_t kPrivateFile = 0600;
constexpr std::string_view kOwnKey = "pmx";  // what has no name in pm2
constexpr std::string_view kOmittedKey = "pmx_omitted_env";

using values::to_value;

template <class T>
bool from_value(const Json& in, T& out) {
  return values::read(in, out);
}
bool from_value(const Json& in, std::string& out) { return values::read_bytes(in, out); }
bool from_value(const Json& in, std::vector<std::string>& out) {
  if (!in.is_array()) return values::read(in, out);
  std::vector<std::string> words;
  for (const Json& element : in) {
    std::string word;
    if (!values::read_bytes(element, word)) return values::read(in, out);
    words.push_back(std::move(word));
  }
  out = std::move(words);
  return true;
}
bool from_value(const Json& in, Env& out) {
  if (!values::read(in, out)) return false;
  for (auto& [name, value] : out) {
    if (const auto written = in.find(name); written->is_array())
      values::read_bytes(*written, value);
  }
  return true;
}

struct Field {
  std::string_view name;
  Json (*write)(const AppSpec& spec);
  bool (*read)(const Json& in, AppSpec& spec);
  std::string_view expected;
};

template <auto Member>
Field field(std::string_view name) {
  return {name, [](const AppSpec& spec) { return to_value(spec.*Member); },
          [](const Json& in, AppSpec& spec) { return from_value(in, spec.*Member); },
          values::expected(AppSpec{}.*Member)};
}

template <auto Part, auto Member>
Field check(std::string_view name) {
  return {name, [](const AppSpec& spec) { return to_value((spec.*Part).*Member); },
          [](const Json& in, AppSpec& spec) { return from_value(in, (spec.*Part).*Member); },
          values::expected((AppSpec{}.*Part).*Member)};
}

template <auto Member>
Field limit(std::string_view name) {
  return {name, [](const AppSpec& spec) { return to_value(spec.limits.*Member); },
          [](const Json& in, AppSpec& spec) { return from_value(in, spec.limits.*Member); },
          values::expected(ProcessLimits{}.*Member)};
}

template <auto Member>
Field log_limit(std::string_view name) {
  return {name, [](const AppSpec& spec) { return to_value(spec.log_limits.*Member); },
          [](const Json& in, AppSpec& spec) { return from_value(in, spec.log_limits.*Member); },
          values::expected(LogLimits{}.*Member)};
}

// pm2 writes 0 where it was turned off.
bool read_cron(const Json& in, AppSpec& spec) {
  if (in == 0) return true;
  return from_value(in, spec.cron_restart);
}

bool read_treekill(const Json& in, AppSpec& spec) {
  bool whole = true;
  if (!from_value(in, whole)) return false;
  if (!whole) spec.kill_mode = KillMode::leader;
  return true;
}

template <class Visit>
bool each_field(JobSpec& job, Visit visit) {
  return visit("schedule", job.schedule) && visit("overlap", job.overlap) &&
         visit("catch_up", job.catch_up) && visit("timeout", job.timeout) &&
         visit("retries", job.retries) && visit("retry_delay", job.retry_delay);
}

Json write_own_env(const AppSpec& spec) {
  return to_value(std::vector<std::string>(spec.own_env.begin(), spec.own_env.end()));
}

bool read_own_env(const Json& in, AppSpec& spec) {
  std::vector<std::string> names;
  if (!from_value(in, names)) return false;
  spec.own_env = {names.begin(), names.end()};
  return true;
}

Json write_job(const AppSpec& spec) {
  if (!spec.job) return nullptr;
  JobSpec job = *spec.job;
  Json out = Json::object();
  each_field(job, [&](const char* name, const auto& value) {
    out[name] = to_value(value);
    return true;
  });
  return out;
}

bool read_job(const Json& in, AppSpec& spec) {
  if (!in.is_object()) return false;
  return each_field(spec.job.emplace(), [&](const char* name, auto& value) {
    const auto found = in.find(name);
    return found == in.end() || found->is_null() || from_value(*found, value);
  });
}

// Under pm2's names.
const std::vector<Field>& pm2_fields() {
  static const std::vector<Field> fields{
      field<&AppSpec::name>("name"),
      field<&AppSpec::name_space>("namespace"),
      field<&AppSpec::version>("version"),
      field<&AppSpec::script>("pm_exec_path"),
      field<&AppSpec::cwd>("pm_cwd"),
      field<&AppSpec::interpreter>("exec_interpreter"),
      field<&AppSpec::interpreter_args>("node_args"),
      field<&AppSpec::args>("args"),
      field<&AppSpec::instances>("instances"),
      field<&AppSpec::instance_var>("instance_var"),
      field<&AppSpec::increment_var>("increment_var"),
      field<&AppSpec::merge_logs>("merge_logs"),
      field<&AppSpec::autorestart>("autorestart"),
      field<&AppSpec::max_restarts>("max_restarts"),
      field<&AppSpec::min_uptime>("min_uptime"),
      field<&AppSpec::restart_delay>("restart_delay"),
      field<&AppSpec::exp_backoff_restart_delay>("exp_backoff_restart_delay"),
      field<&AppSpec::stop_exit_codes>("stop_exit_codes"),
      field<&AppSpec::kill_timeout>("kill_timeout"),
      field<&AppSpec::listen_timeout>("listen_timeout"),
      field<&AppSpec::wait_ready>("wait_ready"),
      field<&AppSpec::shutdown_with_message>("shutdown_with_message"),
      {"treekill", [](const AppSpec& spec) { return Json(spec.kill_mode != KillMode::leader); },
       read_treekill, values::expected(bool{})},
      field<&AppSpec::max_memory_restart>("max_memory_restart"),
      {"cron_restart", [](const AppSpec& spec) { return to_value(spec.cron_restart); }, read_cron,
       "a text, or 0"},
      field<&AppSpec::watch_delay>("watch_delay"),
      field<&AppSpec::user>("username"),
  };
  return fields;
}

// Under kOwnKey.
const std::vector<Field>& own_fields() {
  static const std::vector<Field> fields{
      field<&AppSpec::shell>("shell"),
      field<&AppSpec::interpreter_path>("interpreter_path"),
      field<&AppSpec::instances_given>("instances_given"),
      field<&AppSpec::out_file>("out_file"),
      field<&AppSpec::error_file>("error_file"),
      field<&AppSpec::balance>("balance"),
      field<&AppSpec::bind_via>("bind_via"),
      field<&AppSpec::listen>("listen"),
      field<&AppSpec::start_on_connection>("start_on_connection"),
      check<&AppSpec::ready, &ReadyCheck::probe>("ready"),
      check<&AppSpec::ready, &ReadyCheck::timeout>("ready_timeout"),
      check<&AppSpec::ready, &ReadyCheck::on_timeout>("ready_timeout_action"),
      check<&AppSpec::health, &HealthCheck::probe>("health"),
      check<&AppSpec::health, &HealthCheck::interval>("health_interval"),
      check<&AppSpec::health, &HealthCheck::timeout>("health_timeout"),
      check<&AppSpec::health, &HealthCheck::retries>("health_retries"),
      check<&AppSpec::health, &HealthCheck::start_period>("health_start_period"),
      check<&AppSpec::health, &HealthCheck::action>("health_action"),
      field<&AppSpec::drain_timeout>("drain_timeout"),
      field<&AppSpec::min_ready>("min_ready"),
      field<&AppSpec::max_surge>("max_surge"),
      field<&AppSpec::max_unavailable>("max_unavailable"),
      field<&AppSpec::rollback>("rollback"),
      field<&AppSpec::stop_steps>("stop_steps"),
      field<&AppSpec::kill_mode>("kill_mode"),
      field<&AppSpec::stop_command>("stop_command"),
      field<&AppSpec::restart>("restart"),
      field<&AppSpec::success_exit_codes>("success_exit_codes"),
      field<&AppSpec::max_backoff>("max_backoff"),
      field<&AppSpec::backoff_jitter>("backoff_jitter"),
      field<&AppSpec::restart_limit>("restart_limit"),
      field<&AppSpec::restart_window>("restart_window"),
      field<&AppSpec::retry_after>("retry_after"),
      field<&AppSpec::max_uptime>("max_uptime"),
      field<&AppSpec::time_zone>("time_zone"),
      field<&AppSpec::watch>("watch"),
      field<&AppSpec::watch_paths>("watch_paths"),
      field<&AppSpec::ignore_watch>("ignore_watch"),
      field<&AppSpec::depends_on>("depends_on"),
      field<&AppSpec::restart_with>("requires"),
      field<&AppSpec::log_date_format>("log_date_format"),
      field<&AppSpec::log_type>("log_type"),
      {"log_file",
       [](const AppSpec& spec) { return spec.log_file ? Json(*spec.log_file) : Json(); },
       [](const Json& in, AppSpec& spec) { return from_value(in, spec.log_file.emplace()); },
       "a text"},
      log_limit<&LogLimits::max_size>("max_log_size"),
      log_limit<&LogLimits::interval>("rotate_interval"),
      log_limit<&LogLimits::retain>("log_retain"),
      log_limit<&LogLimits::compress>("log_compress"),
      log_limit<&LogLimits::when_full>("log_when_full"),
      field<&AppSpec::origin>("origin"),
      {"own_env", write_own_env, read_own_env, "a list of texts"},
      field<&AppSpec::env_origin>("env_origin"),
      field<&AppSpec::secret_files>("secret_files"),
      field<&AppSpec::inherit_env>("inherit_env"),
      field<&AppSpec::pid_file>("pid_file"),
      field<&AppSpec::autostart>("autostart"),
      limit<&ProcessLimits::rlimits>("limits"),
      limit<&ProcessLimits::nice>("nice"),
      limit<&ProcessLimits::io_priority>("ionice"),
      limit<&ProcessLimits::cpu_affinity>("cpu_affinity"),
      limit<&ProcessLimits::oom_score_adj>("oom_score_adj"),
      limit<&ProcessLimits::umask>("umask"),
      limit<&ProcessLimits::no_new_privileges>("no_new_privs"),
      limit<&ProcessLimits::uid>("uid"),
      limit<&ProcessLimits::gid>("gid"),
      limit<&ProcessLimits::groups>("groups"),
      limit<&ProcessLimits::cpu_max>("cpu_max"),
      limit<&ProcessLimits::memory_max>("memory_max"),
      limit<&ProcessLimits::memory_high>("memory_high"),
      limit<&ProcessLimits::pids_max>("pids_max"),
      limit<&ProcessLimits::io_weight>("io_weight"),
      {"job", write_job, read_job, "an object"},
  };
  return fields;
}

bool read_id(const Json& in, std::string& out) {
  if (in.is_number_integer()) {
    out = std::to_string(in.get<std::int64_t>());
    return true;
  }
  return from_value(in, out);
}

// Of pm2's own lists, where they stand among the attributes.
const std::vector<Field>& fields_of_pm2_alone() {
  static const std::vector<Field> fields{
      field<&AppSpec::ignore_watch>("ignore_watch"),
      field<&AppSpec::log_date_format>("log_date_format"),
      field<&AppSpec::log_type>("log_type"),
      {"uid", nullptr, [](const Json& in, AppSpec& spec) { return read_id(in, spec.limits.uid); },
       "a name or a number"},
      {"gid", nullptr, [](const Json& in, AppSpec& spec) { return read_id(in, spec.limits.gid); },
       "a name or a number"},
  };
  return fields;
}

// What a user of pm2 may have asked for and pmx does not do. What needs nothing here, as
// source_map_support, or is done already, as filter_env, is not among them.
constexpr auto kUnmapped =
    std::to_array<std::string_view>({"watch_options", "post_update", "trace", "v8",
                                     "event_loop_inspector", "deep_monitoring", "install_url"});

bool says_something(const Json& value) {
  return !value.is_null() && value != false && value != "" && value != 0 &&
         !(value.is_structured() && value.empty());
}

void write_fields(Json& out, const std::vector<Field>& fields, const AppSpec& spec) {
  for (const Field& one : fields) {
    Json value = one.write(spec);
    if (!value.is_null()) out[std::string(one.name)] = std::move(value);
  }
}

Json entry_json(const DumpEntry& entry) {
  const AppSpec& spec = entry.spec;
  Json out = Json::object();
  write_fields(out, pm2_fields(), spec);
  write_fields(out[std::string(kOwnKey)], own_fields(), spec);
  out["exec_mode"] = fmt::format("{}_mode", to_string(spec.exec_mode));
  out["status"] = to_string(entry.state);
  out["restart_time"] = entry.restarts;
  out["created_at"] = entry.created_at;
  out["pm_out_log_path"] = values::bytes_json(entry.out_path);
  out["pm_err_log_path"] = values::bytes_json(entry.error_path);
  out["pm_pid_path"] = values::bytes_json(entry.pid_path);
  Json env = Json::object();
  Json omitted = Json::array();
  for (const auto& [name, value] : spec.env) {
    if (!is_utf8(name)) continue;  // cannot be a key; no program reads such a variable
    if (is_secret(name, value)) {
      omitted.push_back(name);
    } else {
      env[name] = values::bytes_json(value);
    }
  }
  out["env"] = std::move(env);
  out[std::string(kOmittedKey)] = std::move(omitted);
  // pm2 has it under the variable's name, which must not replace a field: kept here as well.
  out[std::string(kOwnKey)]["instance_number"] = entry.instance_number;
  out.emplace(spec.instance_var, entry.instance_number);
  return out;
}

class EntryReader {
 public:
  EntryReader(const Json& in, std::size_t index) : in_(in), label_(fmt::format("entry {}", index)) {
    if (!in.is_object()) refuse("expected an object");
    if (values::has_nul(in)) refuse("expected text without NUL bytes");
    const auto name = in.find("name");
    if (name != in.end() && name->is_string()) label_ += " (" + name->get<std::string>() + ")";
  }

  DumpEntry read() {
    AppSpec& spec = entry_.spec;
    read_fields(in_, pm2_fields());
    for (const char* key : {"name", "pm_exec_path", "pm_cwd"}) {
      if (in_.find(key) == in_.end()) refuse(fmt::format("field \"{}\" is missing", key));
    }
    if (spec.interpreter.empty()) refuse("field \"exec_interpreter\" is missing");
    if (spec.instances < 1) spec.instances = 1;
    spec.instances = std::min(spec.instances, AppSpec::kMaxInstances);
    std::optional<ExecMode> mode;
    take("exec_mode", mode);
    spec.exec_mode = mode.value_or(ExecMode::fork);
    std::string state = "online";
    take("status", state);
    // A state that is not known here was some kind of wish to run.
    entry_.state = instance_state_from(state).value_or(InstanceState::online);
    take("restart_time", entry_.restarts);
    if (const auto created = in_.find("created_at");
        created != in_.end() && created->is_number_integer()) {
      entry_.created_at = created->get<WallMillis>();
    }
    take("pm_out_log_path", entry_.out_path);
    take("pm_err_log_path", entry_.error_path);
    take("pm_pid_path", entry_.pid_path);
    read_env();
    take(kOmittedKey, entry_.omitted_env);
    if (const auto own = in_.find(kOwnKey); own != in_.end() && own->is_object()) {
      read_fields(*own, own_fields());
      read_instance_number(*own, "instance_number");
    } else {
      translate_from_pm2();
      read_instance_number(in_, spec.instance_var);
    }
    return std::move(entry_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorCode::invalid_spec, fmt::format("saved list: {}: {}", label_, what));
  }

  void read_fields(const Json& in, const std::vector<Field>& fields) {
    for (const Field& one : fields) {
      const auto found = in.find(one.name);
      if (found == in.end() || found->is_null() || one.read(*found, entry_.spec)) continue;
      refuse(fmt::format("field \"{}\": expected {}, not {}", one.name, one.expected,
                         values::shown(*found)));
    }
  }

  template <class T>
  void take(std::string_view name, T& out) {
    const auto found = in_.find(name);
    if (found == in_.end() || found->is_null() || from_value(*found, out)) return;
    refuse(fmt::format("field \"{}\": expected {}, not {}", name, values::expected(out),
                       values::shown(*found)));
  }

  // Values may be secrets: no message shows them.
  void read_env() {
    const auto found = in_.find("env");
    if (found == in_.end() || found->is_null()) return;
    if (!from_value(*found, entry_.spec.env)) {
      refuse(fmt::format("field \"env\": expected an object, not {}", values::kind(*found)));
    }
    if (const std::string wrong = values::env_trouble(*found); !wrong.empty())
      refuse(fmt::format("field \"env\": expected {}", wrong));
  }

  void read_instance_number(const Json& in, const std::string& key) {
    if (const auto found = in.find(key); found != in.end()) {
      values::read(*found, entry_.instance_number);
    }
  }

  // pm2 keeps its own variables and its modules' settings (objects) among the app's.
  void translate_from_pm2() {
    AppSpec& spec = entry_.spec;
    std::erase_if(spec.env, [&](const auto& variable) {
      const std::string& name = variable.first;
      const auto original = in_.at("env").find(name);
      return name.starts_with("PM2_") || name == "unique_id" || name == spec.instance_var ||
             original->is_object();
    });
    spec.instances_given = spec.exec_mode == ExecMode::cluster || spec.merge_logs == false;
    if (spec.version == "N/A") spec.version.clear();
    if (const auto module = in_.find("pmx_module"); module != in_.end() && *module == true)
      refuse("a module of pm2, which runs under pm2 only");
    read_fields(in_, fields_of_pm2_alone());
    read_watch();
    for (const std::string_view key : kUnmapped) {
      const auto found = in_.find(key);
      if (found != in_.end() && says_something(*found)) entry_.unmapped.emplace_back(key);
    }
    read_log_files();
  }

  void read_log_files() {
    AppSpec& spec = entry_.spec;
    bool disabled = false;
    take("disable_logs", disabled);
    if (disabled) {
      spec.out_file = spec.error_file = "/dev/null";
      return;
    }
    spec.out_file = own_log_file(entry_.out_path, "-out");
    spec.error_file = own_log_file(entry_.error_path, "-error");
    std::string combined;
    take("pm_log_path", combined);
    if (!combined.empty()) spec.log_file = own_log_file(combined, "");
  }

  void read_watch() {
    const auto found = in_.find("watch");
    if (found == in_.end() || found->is_null()) return;
    AppSpec& spec = entry_.spec;
    if (found->is_boolean()) {
      spec.watch = found->get<bool>();
    } else if (from_value(*found, spec.watch_paths)) {
      spec.watch = !spec.watch_paths.empty();
    } else {
      refuse(fmt::format("field \"watch\": expected true, false or paths, not {}",
                         values::shown(*found)));
    }
  }

  // A path of pm2's as a user's wish: without the instance's id; empty if it is pm2's default.
  [[nodiscard]] std::string own_log_file(const std::string& path, std::string_view suffix) const {
    constexpr std::string_view kEnding = ".log";
    if (!path.ends_with(kEnding)) return path;
    std::string stem = path.substr(0, path.size() - kEnding.size());
    if (!entry_.spec.merge_logs.value_or(false)) {
      const std::size_t dash = stem.find_last_not_of("0123456789");
      if (dash != std::string::npos && dash + 1 < stem.size() && stem[dash] == '-') {
        stem.resize(dash);
      }
    }
    const std::string usual = fmt::format("/logs/{}{}", file_stem_of(entry_.spec.name), suffix);
    return stem.ends_with(usual) ? std::string() : stem + std::string(kEnding);
  }

  const Json& in_;
  std::string label_;
  DumpEntry entry_;
};

}  // namespace

DumpEntry dump_entry_of(const InstanceStatus& status) {
  const InstanceStatus::Detail& detail = status.detail.value();
  return {detail.spec,
          status.state,
          status.instance_number,
          status.restarts,
          status.created_at,
          detail.out_path,
          detail.error_path,
          detail.pid_path,
          {},
          {}};
}

std::string dump_text(const std::vector<DumpEntry>& entries) {
  Json list = Json::array();
  for (const DumpEntry& entry : entries) list.push_back(entry_json(entry));
  return list.dump(2) + "\n";
}

SavedList read_dump(std::string_view text) {
  const Json list = Json::parse(text, nullptr, false);
  if (!list.is_array()) {
    throw Error(ErrorCode::invalid_spec, "saved list: it is not a JSON list, or cut off");
  }
  SavedList saved;
  for (std::size_t index = 0; index < list.size(); ++index) {
    try {
      // `pm2 jlist` has it one level deeper.
      const Json& item = list[index];
      const auto inner = item.is_object() ? item.find("pm2_env") : item.end();
      const bool is_inner = item.is_object() && inner != item.end();
      saved.entries.push_back(EntryReader(is_inner ? *inner : item, index).read());
    } catch (const Error& error) {
      saved.problems.emplace_back(error.what());
    }
  }
  return saved;
}

void write_dump(const Paths& paths, std::string_view text) {
  const std::optional<std::string> previous = sys::read_file(paths.dump());
  // A damaged list must not push out the last good one.
  if (previous && Json::accept(*previous)) {
    sys::replace_file(paths.dump_backup(), *previous, kPrivateFile);
  }
  sys::replace_file(paths.dump(), text, kPrivateFile);
}

}  // namespace pmx
