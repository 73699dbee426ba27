#include "daemon/os/run_cgroups.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <string_view>

#include "common/sys/cgroup.h"

namespace pmx {
namespace {

// FNV-1a: the name need only differ from those of other homes.
std::uint32_t hash(std::string_view text) {
  std::uint32_t value = 2166136261U;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 16777619U;
  return value;
}

std::string refusal(const sys::CgroupSetting& setting, const std::string& why) {
  return fmt::format(
      "{} cannot be set: {}; a systemd unit of pmx with Delegate=yes has what is "
      "needed, else remove it from the app",
      setting.file, why);
}

}  // namespace

RunCgroups::RunCgroups(const std::string& home, bool wanted) {
  if (!wanted) return;
  above_ = sys::own_cgroup();
  prefix_ = fmt::format("{}{:08x}-", sys::kRunCgroupPrefix, hash(home));
  if (above_.empty()) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(above_.c_str()), ::closedir);
  if (!directory) return;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (std::string_view(entry->d_name).starts_with(prefix_))
      ::rmdir((above_ + "/" + entry->d_name).c_str());  // those in use refuse
  }
}

std::string RunCgroups::place(RunId run) const {
  return fmt::format("{}/{}{}.{}", above_, prefix_, run.pm_id, run.generation);
}

std::string RunCgroups::missing_controller(const sys::CgroupSetting& setting) const {
  const std::string name = setting.file.substr(0, setting.file.find('.'));
  const auto has = [&](const char* file) {
    std::ifstream list(above_ + "/" + file);
    for (std::string word; list >> word;) {
      if (word == name) return true;
    }
    return false;
  };
  if (!has("cgroup.controllers"))
    return fmt::format("the cgroup of pmx ({}) has no {} controller", above_, name);
  if (has("cgroup.subtree_control")) return {};
  const std::string file = above_ + "/cgroup.subtree_control";
  const UniqueFd control(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  const std::string enable = "+" + name;
  if (control && ::write(control.get(), enable.data(), enable.size()) > 0) return {};
  return fmt::format("{}: {}", file, std::strerror(errno));
}

std::string RunCgroups::problem(const std::vector<sys::CgroupSetting>& settings) const {
  for (const sys::CgroupSetting& setting : settings) {
    const std::string why =
        above_.empty() ? "there is no cgroup (v2) here, or it is off" : missing_controller(setting);
    if (!why.empty()) return refusal(setting, why);
  }
  return {};
}

RunCgroups::Made RunCgroups::make(RunId run, const std::vector<sys::CgroupSetting>& settings) {
  Made made{{}, problem(settings)};
  if (above_.empty() || !made.problem.empty()) return made;
  const std::string directory = place(run);
  if (::mkdir(directory.c_str(), 0755) == 0 || errno == EEXIST)
    made.procs.reset(::open((directory + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  if (!made.procs && !settings.empty())
    made.problem = refusal(settings.front(), std::strerror(errno));
  for (const sys::CgroupSetting& setting : settings) {
    if (!made.problem.empty()) break;
    const std::string path = directory + "/" + setting.file;
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), setting.value.data(), setting.value.size()) < 0)
      made.problem = fmt::format("{} = {}: {}", path, setting.value, std::strerror(errno));
  }
  if (!made.procs || !made.problem.empty()) ::rmdir(directory.c_str());
  return made;
}

std::vector<pid_t> RunCgroups::members(RunId run) const {
  std::vector<pid_t> pids;
  if (above_.empty()) return pids;
  std::ifstream file(place(run) + "/cgroup.procs");
  for (pid_t pid = 0; file >> pid;) pids.push_back(pid);
  return pids;
}

bool RunCgroups::kill(RunId run) const {
  if (above_.empty()) return false;
  const UniqueFd file(::open((place(run) + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), "1", 1) == 1;
}

void RunCgroups::remove(RunId run) {
  if (above_.empty()) return;
  ended_.insert(place(run));
  remove_ended();
}

void RunCgroups::remove_ended() {
  std::erase_if(ended_, [](const std::string& directory) {
    return ::rmdir(directory.c_str()) == 0 || errno != EBUSY;
  });
}

std::string RunCgroups::path(RunId run) const {
  if (above_.empty()) return {};
  std::string directory = place(run);
  return ::access(directory.c_str(), F_OK) == 0 ? directory : std::string();
}

}  // namespace pmx
