#include "common/sys/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string_view>

#include "common/base/unique_fd.h"

namespace pmx::sys {
namespace {

// Of the line "0::/path": the path as the hierarchy's root has it.
std::string path_of(const std::string& process) {
  std::ifstream file("/proc/" + process + "/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::/")) return line.substr(3);
  }
  return {};
}

}  // namespace

std::string own_cgroup() { return cgroup_of("self"); }

std::string cgroup_of(const std::string& process) {
  std::string path = path_of(process);
  if (path.empty()) return {};
  // proc_pid_mountinfo(5): ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS [TAGS] - TYPE SOURCE OPTIONS
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const std::size_t dash = line.find(" - cgroup2 ");
    if (dash == std::string::npos) continue;
    std::istringstream fields(line);
    std::string id, parent, device, root, place;
    fields >> id >> parent >> device >> root >> place;
    if (root != "/" && path != root && !path.starts_with(root + "/")) continue;
    if (root != "/") path.erase(0, root.size());
    if (path == "/") path.clear();
    return place + path;
  }
  return {};
}

void leave_run_cgroup() {
  const std::string own = own_cgroup();
  const std::size_t slash = own.rfind('/');
  if (slash == std::string::npos ||
      !std::string_view(own).substr(slash + 1).starts_with(kRunCgroupPrefix))
    return;
  const std::string procs = own.substr(0, slash) + "/cgroup.procs";
  const UniqueFd file(::open(procs.c_str(), O_WRONLY | O_CLOEXEC));
  if (file) (void)!::write(file.get(), "0", 1);
}

}  // namespace pmx::sys
