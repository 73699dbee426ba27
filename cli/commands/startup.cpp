// pmx startup and unstartup: a user's apps come back at boot, or no longer.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "cli/boot/boot_services.h"
#include "cli/boot/program_run.h"
#include "cli/boot/service_text.h"
#include "cli/commands/commands.h"
#include "common/sys/child_limits.h"
#include "common/sys/file.h"

namespace pmx::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::vector<std::string> platform;
  std::optional<std::string> user, user_home, service_name, root;
  bool of_user_manager = false;
  bool wait_for_network = false;

  void declare(Arguments& arguments, bool starts) {
    arguments.words("platform", platform, 0, 1);
    arguments.text("-u,--for-user", user, "USER", "whose apps; default: who calls this");
    arguments.text("--hp", user_home, "DIR",
                   "that user's home directory; the apps are in DIR/.pmx");
    arguments.text("--service-name", service_name, "NAME", "default: pmx-USER");
    arguments.flag("--user", of_user_manager,
                   "a service of your own systemd, with lingering: needs no root");
    arguments.text("--root", root, "DIR", "for the system below DIR, where nothing is started");
    if (starts) arguments.flag("--wait-ip", wait_for_network, "start when the network is up");
  }
};

// What the options come to.
struct Target {
  ServiceScope scope;
  BootService service;
  std::string file;       // empty: a unit that the package has installed
  bool is_named = false;  // by --service-name
  std::string user_directory;
  bool has_default_home = false;
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string own_program() { return fs::read_symlink("/proc/self/exe").string(); }

bool is_same_file(const std::string& a, const std::string& b) {
  return sys::file_id(a).has_value() && sys::file_id(a) == sys::file_id(b);
}

InitSystem init_system(const Options& options, const std::string& root) {
  if (!options.platform.empty()) {
    if (const auto init = init_system_of(options.platform.front())) return *init;
    throw UsageError(fmt::format("pmx knows no platform \"{}\"", options.platform.front()),
                     "systemd, openrc or systemv");
  }
  if (const auto init = detect_init_system(root, variable("PATH"))) return *init;
  throw Error(ErrorCode::not_found, "found neither systemd nor OpenRC nor boot scripts here",
              "name one: pmx startup systemd|openrc|systemv; in a container nothing boots: let it "
              "start pmx");
}

bool init_runs(const ServiceScope& scope) {
  if (!scope.root.empty()) return false;
  if (scope.of_user_manager) return true;
  if (scope.init == InitSystem::systemd) return ::access("/run/systemd/system", F_OK) == 0;
  return scope.init != InitSystem::openrc || ::access("/run/openrc", F_OK) == 0;
}

void check_name(const std::string& name) {
  const auto is_plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '@' || c == ':';
  };
  if (!name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), is_plain))
    return;
  throw UsageError(fmt::format("\"{}\" is no name of a service", name),
                   "letters, digits, -, _, ., @ and :");
}

sys::UserEntry user_entry(const std::optional<std::string>& wished) {
  const std::string name = wished.value_or(std::to_string(::geteuid()));
  if (const auto found = sys::find_user(name)) return *found;
  throw Error(ErrorCode::not_found, fmt::format("there is no user {} on this machine", name),
              "see /etc/passwd");
}

// Made by somebody else, it would be run with this user's rights.
void check_owner(const std::string& home, const sys::UserEntry& user) {
  struct stat status {};
  if (::stat(home.c_str(), &status) != 0 || status.st_uid == user.uid) return;
  throw Error(ErrorCode::permission,
              fmt::format("{} belongs to user id {}, not to {}", home, status.st_uid, user.name),
              "name that user's home directory with --hp, or unset PMX_HOME");
}

Target target_of(const Options& options) {
  Target target;
  target.scope.root = options.root.value_or("");
  if (target.scope.root == "/") target.scope.root.clear();
  target.scope.init = init_system(options, target.scope.root);
  target.scope.of_user_manager = options.of_user_manager;
  if (options.of_user_manager &&
      (target.scope.init != InitSystem::systemd || options.user || options.root))
    throw UsageError(
        "--user is for systemd and for who calls this: not with -u, --root or another platform");
  const sys::UserEntry user = user_entry(options.user);
  const std::string user_home = options.user_home.value_or(user.home);
  const std::string given = options.user_home ? "" : variable("PMX_HOME");
  target.service.home = Paths::at(given.empty() ? user_home + "/.pmx" : given).home();
  if (target.scope.root.empty()) check_owner(target.service.home, user);
  target.has_default_home = target.service.home == user.home + "/.pmx";
  target.service.user = user.name;
  target.service.program = own_program();
  target.service.of_user_manager = options.of_user_manager;
  target.service.wait_for_network = options.wait_for_network;
  target.is_named = options.service_name.has_value();
  target.service.name =
      options.service_name.value_or(options.of_user_manager ? "pmx" : "pmx-" + user.name);
  check_name(target.service.name);
  if (options.of_user_manager) {
    const std::string config = variable("XDG_CONFIG_HOME");
    target.user_directory = (config.empty() ? user.home + "/.config" : config) + "/systemd/user";
  }
  target.scope.runs = init_runs(target.scope);
  target.file = service_file(target.scope.init, target.scope.root, target.service.name,
                             target.user_directory);
  return target;
}

// The package's unit has the default home and the program that systemd finds first.
bool serves_package_unit(const Target& target) {
  const ServiceScope& scope = target.scope;
  if (scope.init != InitSystem::systemd || scope.of_user_manager || target.is_named ||
      target.service.wait_for_network || !target.has_default_home || !has_template_unit(scope.root))
    return false;
  const std::string local = scope.root + "/usr/local/bin/pmx";
  const std::string first = sys::file_id(local) ? local : scope.root + "/usr/bin/pmx";
  return !scope.root.empty() || is_same_file(first, target.service.program);
}

std::string shell_word(const std::string& word) {
  const bool plain =
      !word.empty() &&
      word.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-.,:=@+") ==
          std::string::npos;
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// What root has to type; true if we are not root.
bool needs_root(const Context& context, const std::string& command, const Options& options,
                const Target& target) {
  if (::geteuid() == 0 || options.of_user_manager) return false;
  std::vector<std::string> words = {"sudo"};
  if (const std::string home = variable("PMX_HOME"); !home.empty() && !options.user_home)
    words.insert(words.end(), {"env", "PMX_HOME=" + target.service.home});
  words.insert(words.end(), {target.service.program, command,
                             std::string(to_string(target.scope.init)), "-u", target.service.user});
  if (options.user_home || variable("PMX_HOME").empty())
    words.insert(words.end(), {"--hp", fs::path(target.service.home).parent_path().string()});
  if (options.service_name) words.insert(words.end(), {"--service-name", *options.service_name});
  if (options.root) words.insert(words.end(), {"--root", *options.root});
  if (options.wait_for_network) words.emplace_back("--wait-ip");
  for (std::string& word : words) word = shell_word(word);
  context.output.remark(fmt::format("Init system found: {}", to_string(target.scope.init)));
  context.output.remark("this needs root: copy and paste the following command");
  context.output.payload(fmt::format("{}\n", fmt::join(words, " ")));
  return true;
}

bool run_all(const Context& context, const Commands& commands) {
  bool all_well = true;
  for (const std::vector<std::string>& words : commands) {
    context.output.info(fmt::format("{}", fmt::join(words, " ")));
    const int code = run_program(words);
    if (code == 0) continue;
    context.output.error(fmt::format("`{}` failed with exit code {}", fmt::join(words, " "), code));
    all_well = false;
  }
  return all_well;
}

// Before anything is written: without these nothing would come of it.
void check_programs(const ServiceScope& scope, const Commands& commands) {
  for (const std::vector<std::string>& words : commands) {
    const bool is_inside = words.front() == "chroot";
    const std::string& program = is_inside ? words.at(2) : words.front();
    if (program.starts_with('/')) continue;  // the service itself, which is to be written
    if (has_program(program, is_inside ? scope.root : "")) continue;
    throw Error(ErrorCode::unavailable,
                fmt::format("there is no program {}{}: nothing has been changed", program,
                            is_inside ? " in " + scope.root : ""),
                fmt::format("is {} the right platform? systemd, openrc and systemv are known",
                            to_string(scope.init)));
  }
}

bool linger(const Context& context, const std::string& user) {
  if (sys::file_id("/var/lib/systemd/linger/" + user)) return true;
  if (run_all(context, {{"loginctl", "enable-linger"}})) return true;
  context.output.error(fmt::format("without lingering the apps start at {}'s first login", user),
                       "as root: loginctl enable-linger " + user);
  return false;
}

}  // namespace

int run_startup(Context& context, Arguments& arguments) {
  Options options;
  options.declare(arguments, true);
  context.parse(arguments);
  Target target = target_of(options);
  if (needs_root(context, "startup", options, target)) return 1;
  context.output.info(fmt::format("Init system found: {}", to_string(target.scope.init)));
  const std::string caller = variable("SUDO_USER");
  if (!options.user && ::geteuid() == 0 && !caller.empty() && caller != target.service.user)
    context.output.warn(
        fmt::format("this is for the apps of {}; for those of {}: pmx startup -u {}",
                    target.service.user, caller, caller));
  if (serves_package_unit(target)) {
    target.service.name = "pmx@" + target.service.user;
  } else {
    check_programs(target.scope, enabling(target.scope, target.service.name));
    const std::string text = service_text(target.scope.init, target.service);
    std::error_code error;
    fs::create_directories(fs::path(target.file).parent_path(), error);
    const mode_t mode = target.scope.init == InitSystem::systemd ? 0644 : 0755;
    sys::replace_file(target.file, text, mode);
    context.output.info("Written: " + target.file);
  }
  bool all_well = run_all(context, rereading(target.scope)) &&
                  run_all(context, enabling(target.scope, target.service.name));
  if (target.scope.of_user_manager) all_well = linger(context, target.service.user) && all_well;
  if (!all_well) return 1;
  context.output.info(
      fmt::format("What runs of {} is started again at boot, what is stopped stays so; there is no "
                  "need to save",
                  target.service.home));
  context.output.info(
      fmt::format("To undo it: pmx unstartup {}{}", to_string(target.scope.init),
                  target.scope.of_user_manager ? " --user" : " -u " + target.service.user));
  return 0;
}

int run_unstartup(Context& context, Arguments& arguments) {
  Options options;
  options.declare(arguments, false);
  context.parse(arguments);
  const Target target = target_of(options);
  if (needs_root(context, "unstartup", options, target)) return 1;
  context.output.info(fmt::format("Init system found: {}", to_string(target.scope.init)));
  const bool is_written = sys::file_id(target.file).has_value();
  const std::string package_unit = "pmx@" + target.service.user;
  const std::string wants = fmt::format("{}/etc/systemd/system/multi-user.target.wants/{}.service",
                                        target.scope.root, package_unit);
  struct stat link {};
  const bool is_enabled = target.scope.init == InitSystem::systemd &&
                          !target.scope.of_user_manager && !target.is_named &&
                          ::lstat(wants.c_str(), &link) == 0;
  if (!is_written && !is_enabled) {
    throw Error(ErrorCode::not_found,
                fmt::format("nothing brings back the apps of {}: there is no {}",
                            target.service.user, target.file),
                "another name? pmx unstartup --service-name NAME");
  }
  bool all_well = true;
  if (is_enabled) all_well = run_all(context, disabling(target.scope, package_unit));
  if (is_written) {
    all_well = run_all(context, disabling(target.scope, target.service.name)) && all_well;
    if (::unlink(target.file.c_str()) != 0) {
      throw Error(ErrorCode::permission,
                  fmt::format("cannot remove {}: {}", target.file, std::strerror(errno)));
    }
    context.output.info("Removed: " + target.file);
    all_well = run_all(context, rereading(target.scope)) && all_well;
  }
  if (target.scope.runs)
    context.output.info(
        "The apps are stopped; the next command of theirs, e.g. pmx list, starts them");
  return all_well ? 0 : 1;
}

}  // namespace pmx::cli
