#include "cli/doctor/machine_checks.h"

#include <fmt/format.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "common/base/unique_fd.h"

namespace pmx::cli {
namespace {

constexpr unsigned long kUnlimited = std::numeric_limits<unsigned long>::max();

// Of proc_pid_limits(5): "Max open files  1024  1048576  files".
std::optional<unsigned long> limit(const std::string& file, const std::string& name, bool hard) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    std::istringstream words(line.substr(name.size()));
    std::string soft_value, hard_value;
    words >> soft_value >> hard_value;
    const std::string& value = hard ? hard_value : soft_value;
    return value == "unlimited" ? kUnlimited : std::strtoul(value.c_str(), nullptr, 10);
  }
  return std::nullopt;
}

std::optional<unsigned long> setting(const std::string& root, const std::string& name) {
  std::ifstream file(root + "/proc/sys/" + name);
  unsigned long value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

Finding check_files(const MachineQuestions& questions) {
  constexpr unsigned long kFew = 4096;  // an instance takes four of the daemon's
  const auto files = limit(questions.limits, "Max open files", true);
  if (!files || *files >= kFew) return {"open-files", Verdict::ok, "enough descriptors", ""};
  return {
      "open-files", Verdict::fault,
      fmt::format("a process may have {} descriptors only: apps run out of them, and pmx with "
                  "about {} instances",
                  *files, *files / 4),
      "LimitNOFILE=65536 in the unit of pmx, or `ulimit -Hn 65536` before the daemon is started"};
}

Finding check_processes(const MachineQuestions& questions) {
  constexpr unsigned long kFew = 256;
  const auto most = limit(questions.limits, "Max processes", false);
  const auto used = static_cast<unsigned long>(questions.processes);
  // The kernel does not hold root to it.
  const bool is_tight = most && questions.user != 0 && (*most < kFew || used > *most / 10 * 8);
  if (!is_tight) return {"processes", Verdict::ok, "enough processes", ""};
  return {
      "processes", Verdict::fault,
      fmt::format("user id {} may have {} processes and threads, and has {} processes: apps will "
                  "fail to start",
                  questions.user, *most, used),
      "LimitNPROC=infinity in the unit of pmx, or raise nproc in /etc/security/limits.conf"};
}

Finding check_inotify(const MachineQuestions& questions) {
  const auto watches = setting(questions.root, "fs/inotify/max_user_watches");
  const auto instances = setting(questions.root, "fs/inotify/max_user_instances");
  if (watches && *watches < 8192)
    return {"inotify", Verdict::fault,
            fmt::format("{} directories can be watched: `watch` will miss changes", *watches),
            "sysctl fs.inotify.max_user_watches=524288, and a line of that in /etc/sysctl.d"};
  if (instances && *instances < 16)
    return {"inotify", Verdict::fault,
            fmt::format("a user may have {} inotify instances: pmx needs one or two, editors and "
                        "tools more",
                        *instances),
            "sysctl fs.inotify.max_user_instances=128, and a line of that in /etc/sysctl.d"};
  return {"inotify", Verdict::ok, "files can be watched", ""};
}

Finding check_pipes(const MachineQuestions& questions) {
  constexpr unsigned long kPagesOfAnInstance = 32;  // two pipes of 64 KiB
  const auto pages = setting(questions.root, "fs/pipe-user-pages-soft");
  const int instances = std::max(questions.instances, 8);
  const auto needed = static_cast<unsigned long>(instances) * kPagesOfAnInstance;
  if (!pages || *pages == 0 || questions.user == 0 || *pages >= needed)
    return {"pipes", Verdict::ok, "pipes have their full size", ""};
  return {
      "pipes", Verdict::fault,
      fmt::format("the pipes of a user have {} pages, {} instances need {}: further ones are of "
                  "a page or two, and apps that print much wait for the log more often",
                  *pages, instances, needed),
      fmt::format("sysctl fs.pipe-user-pages-soft={}, and a line of that in /etc/sysctl.d",
                  std::max(needed * 2, 16384UL))};
}

Finding check_cgroup(const MachineQuestions& questions) {
  const std::string& cgroup = questions.cgroup;
  const std::string cost =
      "an app's process that has emptied its environment and left its session is not found by "
      "`stop`, and memory_max, cpu_max and the like are refused";
  if (cgroup.empty())
    return {"cgroup", Verdict::note, "no cgroup v2 here: " + cost,
            "boot with systemd.unified_cgroup_hierarchy=1, if the distribution does not"};
  if (::access(cgroup.c_str(), W_OK) != 0)
    return {"cgroup", Verdict::note, fmt::format("{} is not pmx's to divide: {}", cgroup, cost),
            "run pmx by a unit with Delegate=yes: pmx startup"};
  if (::access((cgroup + "/cgroup.kill").c_str(), F_OK) != 0)
    return {"cgroup", Verdict::note,
            "this kernel has no cgroup.kill (Linux 5.14): an app that forks while it is killed may "
            "leave processes behind",
            "a newer kernel"};
  return {"cgroup", Verdict::ok, "each run of an app has a cgroup below " + cgroup, ""};
}

Finding check_pidfd() {
  const UniqueFd own(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (own) return {"pidfd", Verdict::ok, "processes have descriptors", ""};
  return {
      "pidfd", Verdict::fault,
      fmt::format("pidfd_open: {}: pmx cannot know processes for certain", std::strerror(errno)),
      "Linux 5.3 or newer; in a container, a seccomp profile that permits pidfd_open"};
}

Finding check_reuseport() {
  const UniqueFd one(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sock_filter first{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
  const sock_fprog program{.len = 1, .filter = &first};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const auto* where = reinterpret_cast<const sockaddr*>(&address);
  const bool works =
      one && ::setsockopt(one.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
      ::bind(one.get(), where, sizeof address) == 0 &&
      ::setsockopt(one.get(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0;
  if (works) return {"reuseport", Verdict::ok, "each instance can have a socket of its own", ""};
  return {
      "reuseport", Verdict::note,
      fmt::format("SO_ATTACH_REUSEPORT_CBPF: {}: instances share one socket (balance shared), so "
                  "reloads of other programs than Node may cut a few connections",
                  std::strerror(errno)),
      "Linux 4.6 or newer, not gVisor or another emulation"};
}

Finding check_seccomp(const std::string& root) {
  std::ifstream file(root + "/proc/sys/kernel/seccomp/actions_avail");
  for (std::string word; file >> word;) {
    if (word == "user_notif")
      return {"seccomp", Verdict::ok, "static programs can share ports (--bind-via seccomp)", ""};
  }
  return {
      "seccomp", Verdict::note,
      "the kernel has no seccomp notifications: --bind-via seccomp is refused, so static programs "
      "share a port only if they take LISTEN_FDS (--listen)",
      "Linux 5.9 or newer with CONFIG_SECCOMP_FILTER"};
}

}  // namespace

Findings check_machine(const MachineQuestions& questions) {
  return {check_files(questions), check_processes(questions),   check_inotify(questions),
          check_pipes(questions), check_cgroup(questions),      check_pidfd(),
          check_reuseport(),      check_seccomp(questions.root)};
}

}  // namespace pmx::cli
