// pmx doctor: what is wrong with this installation, and what to do about it. Starts no daemon.
#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/doctor/boot_checks.h"
#include "cli/doctor/daemon_checks.h"
#include "cli/doctor/home_checks.h"
#include "cli/doctor/machine_checks.h"
#include "cli/running_keeper.h"
#include "common/base/build_info.h"
#include "common/sys/cgroup.h"
#include "common/sys/child_limits.h"

namespace pmx::cli {
namespace {

constexpr std::chrono::seconds kAnswersWithin{5};

int processes_of(uid_t user) {
  int count = 0;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc"), ::closedir);
  if (!directory) return 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    struct stat status {};
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) != 0 &&
        ::fstatat(::dirfd(directory.get()), entry->d_name, &status, 0) == 0 &&
        status.st_uid == user)
      ++count;
  }
  return count;
}

struct Daemon {
  DaemonQuestions questions;
  std::vector<InstanceStatus> instances;
};

Daemon ask_daemon(Context& context) {
  Daemon daemon;
  daemon.questions.home = context.paths().home();
  daemon.questions.own_directory =
      std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
  daemon.questions.has_keeper = bool(find_running_keeper(context.paths().home()));
  try {
    std::optional<Client> client = Client::connect(context.paths().socket());
    if (!client) return daemon;
    client->limit_waiting(kAnswersWithin);
    const auto pong = client->call<protocol::Ping>({});
    daemon.questions.answers = true;
    daemon.questions.version = pong.version;
    daemon.questions.daemon_pid = pong.daemon_pid;
    daemon.questions.keeper_pid = pong.keeper_pid;
    daemon.instances =
        client->call<protocol::List>({.target = std::nullopt, .detail = true}).instances;
  } catch (const Error&) {
    // What cannot be asked is what there is to tell; the checks of the home say why.
  }
  return daemon;
}

std::string_view word_of(Verdict verdict) {
  if (verdict == Verdict::ok) return "ok";
  return verdict == Verdict::note ? "note" : "fault";
}

std::string text_of(const Findings& findings, bool colours) {
  std::string out;
  int faults = 0;
  for (const Finding& finding : findings) {
    const Colour colour = finding.verdict == Verdict::ok     ? Colour::green
                          : finding.verdict == Verdict::note ? Colour::yellow
                                                             : Colour::red;
    const std::string word = fmt::format("{:<6}", word_of(finding.verdict));
    fmt::format_to(std::back_inserter(out), "{}{:<11}{}\n", colours ? coloured(word, colour) : word,
                   finding.id, finding.what);
    if (!finding.fix.empty() && finding.verdict != Verdict::ok)
      fmt::format_to(std::back_inserter(out), "{:17}fix: {}\n", "", finding.fix);
    if (finding.verdict == Verdict::fault) ++faults;
  }
  if (faults == 0) return out + "No faults.\n";
  return out + fmt::format("{} {}.\n", faults, faults == 1 ? "fault" : "faults");
}

std::string json_of(const Findings& findings, const std::string& home) {
  nlohmann::json list = nlohmann::json::array();
  for (const Finding& finding : findings)
    list.push_back({{"id", finding.id},
                    {"verdict", word_of(finding.verdict)},
                    {"what", finding.what},
                    {"fix", finding.fix}});
  return nlohmann::json{{"version", kVersion}, {"home", home}, {"findings", std::move(list)}}
      .dump();
}

void append(Findings& all, Findings more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

int run_doctor(Context& context, Arguments& arguments) {
  bool boot = false;
  std::optional<std::string> root;
  arguments.flag("--boot", boot, "go through all that has to work for the apps to be back at boot");
  arguments.text("--root", root, "DIR", "read /etc, /var and /proc/sys below DIR");
  context.parse(arguments);

  const uid_t user = ::geteuid();
  const auto entry = sys::find_user(std::to_string(user));
  const Daemon daemon = ask_daemon(context);
  const bool answers = daemon.questions.answers;
  const std::string process = answers ? std::to_string(daemon.questions.daemon_pid) : "self";
  MachineQuestions machine;
  machine.root = root.value_or("");
  machine.limits = fmt::format("/proc/{}/limits", process);
  machine.cgroup = sys::cgroup_of(process);
  machine.user = user;
  machine.processes = processes_of(user);
  machine.instances = static_cast<int>(daemon.instances.size());
  BootQuestions at_boot;
  at_boot.root = root.value_or("");
  at_boot.user = entry ? entry->name : std::to_string(user);
  at_boot.user_home = entry ? entry->home : "";
  at_boot.home = context.paths().home();
  at_boot.thorough = boot;

  Findings findings = check_home(context.paths(), user);
  append(findings, check_daemon(daemon.questions));
  if (answers) append(findings, check_apps(daemon.instances));
  append(findings, check_machine(machine));
  append(findings, check_boot(at_boot));
  if (context.global.json) {
    context.output.data(json_of(findings, context.paths().home()));
  } else {
    context.output.payload(text_of(findings, context.output.colours()));
  }
  for (const Finding& finding : findings) {
    if (finding.verdict == Verdict::fault) return 1;
  }
  return 0;
}

}  // namespace pmx::cli
