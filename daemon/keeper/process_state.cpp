#include "daemon/keeper/process_state.h"

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace pmx::keeper {
namespace {

// struct pidfd_info of the kernel's UAPI (first published size), absent from Debian 12's headers.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup_id;
  std::uint32_t ids[11];  // pid, tgid, ppid, then real, effective, saved and fs uid and gid
  std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);

constexpr unsigned long kPidfdGetInfo = _IOWR(0xFF, 11, PidfdInfo);
constexpr std::uint64_t kPidfdInfoPid = 1U << 0;
constexpr std::uint64_t kPidfdInfoExit = 1U << 3;

std::int64_t microseconds(const timeval& time) {
  return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
}

}  // namespace

bool is_own_child(pid_t pid, int pidfd) noexcept {
  siginfo_t info{};
  const int options = WNOHANG | WEXITED | WNOWAIT | __WALL;
  const int result = pidfd >= 0 ? waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, options)
                                : waitid(P_PID, static_cast<id_t>(pid), &info, options);
  // EAGAIN: a non-blocking pidfd of a child that still runs.
  return result == 0 || errno == EAGAIN;
}

int open_pidfd(pid_t pid) noexcept { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

PidfdState read_pidfd_exit(int pidfd, int& wait_status) noexcept {
  PidfdInfo info{};
  info.mask = kPidfdInfoPid | kPidfdInfoExit;
  if (ioctl(pidfd, kPidfdGetInfo, &info) != 0) return PidfdState::unknown;
  if ((info.mask & kPidfdInfoExit) == 0) return PidfdState::running;
  wait_status = info.exit_code;
  return PidfdState::ended;
}

ExitRecord make_exit_record(pid_t pid, const int* wait_status, const rusage* usage) noexcept {
  ExitRecord record{};
  record.pid = pid;
  if (wait_status != nullptr) {
    record.known = 1;
    record.wait_status = *wait_status;
  }
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  record.wall_ms = std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
  clock_gettime(CLOCK_MONOTONIC, &now);
  record.mono_ns = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  if (usage != nullptr) {
    record.user_us = microseconds(usage->ru_utime);
    record.system_us = microseconds(usage->ru_stime);
    record.max_rss_kb = usage->ru_maxrss;
  }
  return record;
}

}  // namespace pmx::keeper
