#include "common/config/launch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "common/base/error.h"
#include "common/base/escaped.h"
#include "common/base/text.h"
#include "common/config/cpu_count.h"
#include "common/config/dotenv.h"
#include "common/config/elf_kind.h"
#include "common/config/executable_search.h"
#include "common/config/interpreter.h"
#include "common/config/launch_target.h"
#include "common/config/package_json.h"
#include "common/config/package_script.h"
#include "common/config/user_variables.h"
#include "common/config/words.h"
#include "common/model/declared_socket.h"
#include "common/model/dependency.h"
#include "common/model/door.h"
#include "common/sys/cgroup_settings.h"
#include "common/sys/child_limits.h"
#include "common/sys/file.h"

namespace pmx {
namespace {

namespace fs = std::filesystem;

// "<name>-error-<id>.log" must be a file name.
constexpr std::size_t kLongestName = 200;

// Set by pmx in its apps, or by whoever started pmx, for one process: never for others.
constexpr std::array<std::string_view, 9> kProcessVariables{"NODE_CHANNEL_FD",
                                                            "NODE_CHANNEL_SERIALIZATION_MODE",
                                                            "NODE_UNIQUE_ID",
                                                            "NODE_APP_INSTANCE",
                                                            "LISTEN_FDS",
                                                            "LISTEN_PID",
                                                            "LISTEN_FDNAMES",
                                                            "NOTIFY_SOCKET",
                                                            "pm_id"};
// Too general to be taken out unless an app of pmx runs us, which PMX_TOKEN tells.
constexpr std::string_view kTokenVariable = "PMX_TOKEN";
constexpr std::array<std::string_view, 7> kInsideAppVariables{
    "name",         "namespace", "unique_id",        "exec_mode",
    "restart_time", "pm_uptime", "PMX_LISTEN_SOCKET"};
constexpr std::string_view kOwnPreload = "/libpmx-listen.so";

[[noreturn]] void refuse(const std::string& message, std::string hint = {}) {
  throw Error(ErrorCode::invalid_spec, message, std::move(hint));
}

std::string value_of(const Env& env, std::string_view name) {
  const auto found = env.find(name);
  return found == env.end() ? std::string() : found->second;
}

// LD_PRELOAD without our library, which pmx puts first for each app that wants it.
void remove_own_preload(Env& env) {
  const auto preload = env.find("LD_PRELOAD");
  if (preload == env.end()) return;
  std::string& value = preload->second;
  const std::string first = value.substr(0, value.find(':'));
  if (!first.ends_with(kOwnPreload)) return;
  value.erase(0, first.size() + 1);
  if (value.empty()) env.erase(preload);
}

// Where programs are looked up.
std::string search_path(const LaunchRequest& request, const Env& env) {
  const auto own = request.env.find("PATH");
  if (own != request.env.end()) return own->second;
  const std::string path = value_of(env, "PATH");
  return path.empty() ? value_of(request.environment, "PATH") : path;
}

Env variables_of_file(const std::string& path, const Env& shell) {
  std::optional<std::string> text;
  try {
    text = sys::read_file(path);
  } catch (const std::system_error& error) {
    refuse(fmt::format("env_file: cannot read {}: {}", path, error.what()));
  }
  if (!text) refuse(fmt::format("env_file: {} does not exist", path), "a path is relative to cwd");
  return read_dotenv(*text, path, shell);
}

// What the app's own settings set, with where it is from, and its secrets.
void set_own_env(const LaunchRequest& request, const std::string& home_dir, AppSpec& spec) {
  for (auto& [name, path] : spec.secret_files) path = absolute_path(path, spec.cwd, home_dir);
  const Env shell = inheritable(request.environment);
  set_env(spec, shell, {});
  for (const std::string& file : request.env_files) {
    const std::string path = absolute_path(file, spec.cwd, home_dir);
    for (auto& [name, value] : variables_of_file(path, shell)) {
      if (!spec.secret_files.contains(name) && !request.env.contains(name))
        set_variable(spec, name, value, path);
    }
  }
  for (const auto& [name, value] : request.env) set_variable(spec, name, value);
}

std::string working_directory(const LaunchRequest& request, const std::string& home_dir) {
  const std::string cwd = absolute_path(request.cwd.value_or("."), request.current_dir, home_dir);
  std::error_code error;
  if (fs::is_directory(cwd, error)) return cwd;
  refuse(fmt::format("the working directory {} {}", cwd,
                     fs::exists(cwd, error) ? "is not a directory" : "does not exist"),
         "create it, or give another cwd");
}

std::string log_file(const std::string& wish, const std::string& cwd, const std::string& home_dir) {
  if (wish.empty()) return {};
  if (wish == "NULL") return "/dev/null";
  return absolute_path(wish, cwd, home_dir);
}

// A message to the daemon has no room for other bytes: the app would get another path.
void check_text(const char* what, const std::string& text) {
  if (is_utf8(text)) return;
  refuse(fmt::format("{} is not UTF-8: {}", what, escaped(text)),
         "rename it, or name a symbolic link to it (--cwd LINK) instead");
}

void check_name(const std::string& name) {
  check_text("the name", name);
  if (has_control(name)) refuse("the name has control characters in it", "give another name");
  if (name.size() > kLongestName) {
    refuse(fmt::format("the name has {} bytes, at most {} are possible", name.size(), kLongestName),
           "give a shorter name");
  }
}

void check_sockets(const AppSpec& spec) {
  for (const std::string& socket : spec.listen) (void)parse_declared_socket(socket);
  if (spec.listen.empty() || spec.exec_mode != ExecMode::cluster || !is_node(spec.interpreter))
    return;
  refuse("listen: a Node app in cluster mode asks for its ports itself, with server.listen()",
         "leave listen out, or use fork mode (-x) and server.listen({fd: 3})");
}

void check_job(const LaunchRequest& request, AppSpec& spec) {
  if (!request.is_job) {
    if (request.job != JobSpec{})
      refuse("schedule, overlap, catch_up, timeout, retries and retry_delay are for jobs",
             "add type: \"job\"; a service is restarted at times by cron_restart");
    return;
  }
  const AppSpec plain;
  const auto cannot = [](bool has, const char* what) {
    if (has)
      refuse(fmt::format("a job cannot have {}", what), "remove it, or the job's own settings");
  };
  cannot(spec.instances > 1, "several instances");
  cannot(spec.exec_mode == ExecMode::cluster, "exec_mode cluster");
  cannot(spec.wait_ready || !spec.ready.probe.empty(), "a readiness check");
  cannot(!spec.health.probe.empty(), "a health check");
  cannot(spec.start_on_connection, "start_on_connection");
  cannot(!spec.cron_restart.empty(), "cron_restart (its own times are: schedule)");
  cannot(spec.max_uptime > Millis{0}, "max_uptime (its own limit is: timeout)");
  cannot(spec.watch, "watch");
  cannot(spec.restart != plain.restart || spec.retry_after > Millis{0} ||
             spec.restart_delay > Millis{0},
         "settings of restarts (its own are: retries, retry_delay)");
  spec.job = request.job;
}

// What is required is also waited for.
void add_required(AppSpec& spec) {
  for (const std::string& name : spec.restart_with) {
    const bool is_there = std::ranges::any_of(spec.depends_on, [&](const std::string& text) {
      return parse_dependency(text).app == name;
    });
    if (!is_there) spec.depends_on.push_back(name);
  }
}

// At a boundary of UTF-8 characters.
std::string shortened(std::string name) {
  if (name.size() <= kLongestName) return name;
  std::size_t end = kLongestName;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0U) == 0x80U) --end;
  name.resize(end);
  return name;
}

bool runs_shell(const AppSpec& spec) {
  const std::string_view name =
      std::string_view(spec.interpreter).substr(spec.interpreter.find_last_of('/') + 1);
  constexpr std::array<std::string_view, 5> kShells{"sh", "bash", "dash", "zsh", "ksh"};
  return spec.shell || std::find(kShells.begin(), kShells.end(), name) != kShells.end();
}

ProgramKind kind_of_program(const AppSpec& spec) {
  const auto user = spec.limits.uid.empty() ? std::nullopt : sys::find_user(spec.limits.uid);
  return program_kind(program_of(spec), user ? user->uid : ::getuid());
}

// Whether `-i N` means N instances on the same ports, if nothing is said about it. Shell scripts
// start other programs, of which several may well want ports of their own: N copies, as in pm2.
bool can_share_ports(const AppSpec& spec) {
  if (is_node(spec.interpreter)) return true;
  if (spec.bind_via == BindVia::none || !spec.listen.empty()) return false;
  if (spec.bind_via == BindVia::seccomp) return true;
  return !runs_shell(spec) && can_preload(kind_of_program(spec));
}

void choose_mode(const LaunchRequest& request, AppSpec& spec) {
  spec.instances_given = request.instances.has_value();
  if (request.instances) spec.instances = resolve_instances(*request.instances, usable_cores());
  const bool many = spec.instances_given && can_share_ports(spec);
  spec.exec_mode = request.exec_mode.value_or(many ? ExecMode::cluster : ExecMode::fork);
  if (spec.exec_mode != ExecMode::cluster || door_of(spec) != Door::preload) return;
  const ProgramKind kind = kind_of_program(spec);
  if (can_preload(kind)) return;
  refuse(fmt::format("exec_mode cluster: {} {}, so it does not load the library that shares ports",
                     program_of(spec), why_no_preload(kind)),
         fmt::format("{}declare its sockets with `listen`, if it takes LISTEN_FDS; or set bind_via "
                     "to \"none\"",
                     can_watch_binds(kind) ? "set bind_via to \"seccomp\"; or " : ""));
}

std::string user_of(const Env& environment) {
  for (const std::string_view name : {"USER", "LOGNAME"}) {
    if (std::string user = value_of(environment, name); !user.empty()) return user;
  }
  // Not getpwuid: in a static program it needs the C library's plug-ins of this very version.
  const std::string id = std::to_string(::getuid());
  std::ifstream users("/etc/passwd");
  for (std::string line; std::getline(users, line);) {
    const std::size_t name_end = line.find(':');
    const std::size_t id_begin =
        line.find(':', name_end == std::string::npos ? name_end : name_end + 1);
    if (name_end == std::string::npos || id_begin == std::string::npos) continue;
    if (line.compare(id_begin + 1, id.size() + 1, id + ":") == 0) return line.substr(0, name_end);
  }
  return id;
}

// `request` with the Node program that a package runner would have started, if it is to be a
// cluster; with the preload library, which reaches whatever it starts, if that cannot be told.
LaunchRequest without_package_runner(LaunchRequest request, const std::string& cwd) {
  const ExecMode mode =
      request.exec_mode.value_or(request.instances ? ExecMode::cluster : ExecMode::fork);
  if (mode == ExecMode::fork || request.interpreter ||
      request.options.bind_via != BindVia::automatic || !request.options.listen.empty())
    return request;
  AppSpec& options = request.options;
  std::vector<std::string> words = split_words(request.target);
  words.insert(words.end(), options.args.begin(), options.args.end());
  const auto run = package_run(words);
  if (!run) return request;
  if (options.name.empty()) options.name = shortened(default_name(request.target));
  const std::string path = search_path(request, request.environment);
  if (const auto program = resolve_package_run(*run, cwd, path)) {
    request.target = program->file;
    request.cwd = program->directory;
    request.interpreter = "node";
    options.args = program->args;
    options.interpreter_args.insert(options.interpreter_args.end(),
                                    program->interpreter_args.begin(),
                                    program->interpreter_args.end());
    for (const auto& [name, value] : program->env) request.env[name] = value;
  } else {
    request.exec_mode = ExecMode::cluster;
    options.bind_via = BindVia::preload;
  }
  return request;
}

}  // namespace

Env inheritable(Env environment) {
  for (const std::string_view name : kProcessVariables) environment.erase(std::string(name));
  if (environment.erase(std::string(kTokenVariable)) != 0) {
    for (const std::string_view name : kInsideAppVariables) environment.erase(std::string(name));
    remove_own_preload(environment);
  }
  return environment;
}

AppSpec make_app_spec(const LaunchRequest& as_typed) {
  const std::string home_dir = value_of(as_typed.environment, "HOME");
  const LaunchRequest request =
      without_package_runner(as_typed, working_directory(as_typed, home_dir));
  AppSpec spec = request.options;
  spec.cwd = working_directory(request, home_dir);
  set_own_env(request, home_dir, spec);
  const ExecutableSearch search(search_path(request, spec.env), spec.cwd);

  // A wished interpreter runs files; only a shell would know what to do with a command.
  LaunchTarget target =
      resolve_target(request.target, spec.cwd, home_dir, !request.interpreter, search);
  spec.script = std::move(target.script);
  spec.shell = target.shell;
  Interpreter interpreter;
  try {
    interpreter = spec.shell ? shell_interpreter(search)
                  : request.interpreter
                      ? wished_interpreter(*request.interpreter, spec.script, search)
                      : choose_interpreter(spec.script, search);
  } catch (const std::system_error& error) {
    refuse(error.what());
  }
  spec.interpreter = std::move(interpreter.name);
  spec.interpreter_path = std::move(interpreter.path);
  // Else Python keeps what it prints to a pipe for itself until it has 8 KiB of it.
  if (interpreter.python && !spec.env.contains("PYTHONUNBUFFERED"))
    set_variable(spec, "PYTHONUNBUFFERED", "1", kOfPmx);
  constexpr const char* kSourceMaps = "--enable-source-maps";
  if (request.source_maps && is_node(spec.interpreter) &&
      std::ranges::find(spec.interpreter_args, kSourceMaps) == spec.interpreter_args.end())
    spec.interpreter_args.emplace_back(kSourceMaps);
  choose_mode(request, spec);

  if (spec.name.empty()) {
    spec.name = shortened(default_name(
        spec.shell ? request.target : absolute_path(request.target, spec.cwd, home_dir)));
  }
  check_name(spec.name);
  check_sockets(spec);
  set_user_variables(spec);
  (void)sys::cgroup_settings(spec.limits);
  check_job(request, spec);
  add_required(spec);
  for (std::string& path : spec.watch_paths) path = absolute_path(path, spec.cwd, home_dir);
  if (has_control(spec.name_space))
    refuse("the namespace has control characters in it", "give another namespace");
  check_text(spec.shell ? "the command" : "the path of the script", spec.script);
  check_text("the working directory", spec.cwd);
  spec.version = nearest_package_version(target.directory);
  if (request.disable_logs) {
    spec.out_file = spec.error_file = "/dev/null";
    spec.log_file.reset();
  }
  spec.out_file = log_file(spec.out_file, spec.cwd, home_dir);
  spec.error_file = log_file(spec.error_file, spec.cwd, home_dir);
  if (!spec.pid_file.empty()) spec.pid_file = absolute_path(spec.pid_file, spec.cwd, home_dir);
  if (spec.log_file) spec.log_file = log_file(*spec.log_file, spec.cwd, home_dir);
  spec.user = user_of(request.environment);
  return spec;
}

void resolve_interpreter(AppSpec& spec) {
  if (!spec.interpreter_path.empty() || spec.interpreter == "none") return;
  const ExecutableSearch search(value_of(spec.env, "PATH"), spec.cwd);
  spec.interpreter_path = wished_interpreter(spec.interpreter, spec.script, search).path;
}

std::string sharing_remark(const AppSpec& spec) {
  if (spec.exec_mode == ExecMode::cluster || spec.instances < 2 || !spec.listen.empty() ||
      spec.bind_via != BindVia::automatic || !spec.increment_var.empty() || runs_shell(spec) ||
      is_node(spec.interpreter))
    return {};
  const ProgramKind kind = kind_of_program(spec);
  if (can_preload(kind) || kind == ProgramKind::unknown) return {};
  return fmt::format("{} {}: its {} instances are copies that share no port", program_of(spec),
                     why_no_preload(kind), spec.instances);
}

bool seccomp_would_share(const AppSpec& spec) { return can_watch_binds(kind_of_program(spec)); }

std::string program_of(const AppSpec& spec) {
  return spec.interpreter_path.empty() ? spec.script : spec.interpreter_path;
}

std::vector<std::string> argv_of(const AppSpec& spec) {
  std::vector<std::string> argv;
  if (!spec.interpreter_path.empty()) {
    argv.push_back(spec.interpreter_path);
    argv.insert(argv.end(), spec.interpreter_args.begin(), spec.interpreter_args.end());
  }
  if (spec.shell) argv.emplace_back("-c");
  argv.push_back(spec.script);
  // The word after the text of -c is its $0.
  if (spec.shell && !spec.args.empty()) argv.push_back(spec.interpreter);
  argv.insert(argv.end(), spec.args.begin(), spec.args.end());
  return argv;
}

std::pair<std::string, std::vector<std::string>> command_of(const AppSpec& spec) {
  return {program_of(spec), argv_of(spec)};
}

std::string default_name(std::string_view target) {
  std::string_view path = target;
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  std::string_view name = path.substr(path.find_last_of('/') + 1);
  const std::size_t dot = name.find_last_of('.');
  if (dot != std::string_view::npos && dot != 0) name = name.substr(0, dot);
  return std::string(name.empty() ? target : name);
}

bool looks_like_config(std::string_view target) {
  constexpr std::array<std::string_view, 7> kEndings{
      ".json", ".yml", ".yaml", ".toml", ".config.js", ".config.cjs", ".config.mjs"};
  const std::string_view name = target.substr(target.rfind('/') + 1);
  return std::any_of(kEndings.begin(), kEndings.end(), [&](std::string_view ending) {
    return name.find(ending) != std::string_view::npos &&
           (!has_blank(target) || target.ends_with(ending));
  });
}

bool looks_like_name(const std::string& target) {
  if (target.empty() || target.starts_with('/') || target == "-" || parse_integer(target)) {
    return false;
  }
  if (target.find_first_of("/.") == std::string::npos && !has_blank(target)) return true;
  std::error_code error;
  return !fs::exists(target, error);
}

}  // namespace pmx
