#include "cli/doctor/boot_checks.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "cli/boot/program_run.h"
#include "common/sys/file.h"

namespace pmx::cli {
namespace {

struct Unit {
  std::string name;
  std::string wanted_by;                 // directory of the links that enable units
  std::vector<std::string> directories;  // where its file may be
  bool of_user_manager = false;
};

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

std::vector<Unit> candidates(const BootQuestions& questions) {
  const std::string& root = questions.root;
  const std::string wants = root + "/etc/systemd/system/multi-user.target.wants/";
  const std::vector<std::string> system = {
      root + "/etc/systemd/system/", root + "/usr/local/lib/systemd/system/",
      root + "/usr/lib/systemd/system/", root + "/lib/systemd/system/"};
  std::vector<Unit> units = {{"pmx-" + questions.user, wants, system},
                             {"pmx@" + questions.user, wants, system}};
  if (questions.home == "/var/lib/pmx") units.push_back({"pmx", wants, system});
  const std::string own = questions.user_home + "/.config/systemd/user/";
  units.push_back({"pmx", own + "default.target.wants/", {own}, true});
  return units;
}

std::string unit_file(const Unit& unit) {
  std::string name = unit.name;
  if (const std::size_t at = name.find('@'); at != std::string::npos) name.erase(at + 1);
  for (const std::string& directory : unit.directories) {
    if (exists(directory + name + ".service")) return directory + name + ".service";
  }
  return {};
}

// The value of a line KEY="VALUE" or KEY="VALUE" more; empty: not so written.
std::string quoted_value(const std::string& text, const std::string& key) {
  const std::string begin = "\n" + key + "\"";
  const std::size_t at = text.find(begin);
  if (at == std::string::npos) return {};
  const std::size_t from = at + begin.size();
  return text.substr(from, text.find('"', from) - from);
}

std::optional<Finding> fault_of(const Unit& unit, const BootQuestions& questions) {
  const std::string again = unit.of_user_manager ? "pmx startup --user" : "pmx startup";
  const std::string file = unit_file(unit);
  if (file.empty())
    return Finding{"boot", Verdict::fault,
                   fmt::format("{}.service is enabled, but its file is gone", unit.name), again};
  const std::string text = sys::read_file(file).value_or("");
  const std::string program = quoted_value(text, "ExecStart=");
  if (!program.empty() && ::access((questions.root + program).c_str(), X_OK) != 0)
    return Finding{"boot", Verdict::fault,
                   fmt::format("{} starts {}, which is not there", file, program),
                   again + " writes it anew"};
  const std::string home = quoted_value(text, "Environment=");
  if (!home.empty() && home != "PMX_HOME=" + questions.home)
    return Finding{"boot", Verdict::fault,
                   fmt::format("{} brings back the apps of another home: {}", file, home),
                   fmt::format("PMX_HOME={} {}, with --service-name if both are wanted",
                               questions.home, again)};
  if (unit.of_user_manager && !exists(questions.root + "/var/lib/systemd/linger/" + questions.user))
    return Finding{"boot", Verdict::fault,
                   fmt::format("{} is enabled, but {} does not linger: the apps start at the first "
                               "login, and end with the last",
                               file, questions.user),
                   "loginctl enable-linger " + questions.user};
  if (questions.thorough && questions.root.empty() && !unit.of_user_manager &&
      ask_program({"systemd-analyze", "verify", "--man=no", unit.name + ".service"}) == 1)
    return Finding{"boot", Verdict::fault, "systemd finds mistakes in " + file,
                   fmt::format("see: systemd-analyze verify {}.service", unit.name)};
  return std::nullopt;
}

Finding check_service(const BootQuestions& questions) {
  for (const Unit& unit : candidates(questions)) {
    if (!exists(unit.wanted_by + unit.name + ".service")) continue;
    if (auto fault = fault_of(unit, questions)) return *fault;
    return {"boot", Verdict::ok, fmt::format("{}.service brings the apps back", unit.name), ""};
  }
  if (exists(questions.root + "/etc/init.d/pmx-" + questions.user))
    return {"boot", Verdict::ok,
            fmt::format("/etc/init.d/pmx-{} brings the apps back", questions.user), ""};
  return {"boot", questions.thorough ? Verdict::fault : Verdict::note,
          "nothing brings the apps back after a reboot", "pmx startup"};
}

Finding check_home_at_boot(const BootQuestions& questions) {
  struct statfs disk {};
  const bool is_memory = ::statfs(questions.home.c_str(), &disk) == 0 &&
                         (disk.f_type == TMPFS_MAGIC || disk.f_type == RAMFS_MAGIC);
  if (is_memory)
    return {"boot-home", Verdict::fault,
            questions.home + " is in memory: the list of apps is gone after a reboot",
            "set PMX_HOME to a directory on a disk"};
  return {"boot-home", Verdict::ok, questions.home + " is on a disk", ""};
}

}  // namespace

Findings check_boot(const BootQuestions& questions) {
  Findings findings = {check_service(questions)};
  if (questions.thorough) findings.push_back(check_home_at_boot(questions));
  return findings;
}

}  // namespace pmx::cli
