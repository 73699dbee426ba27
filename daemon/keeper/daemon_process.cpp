#include "daemon/keeper/daemon_process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "daemon/keeper/log.h"
#include "daemon/keeper/wire.h"

namespace pmx::keeper {
namespace {

constexpr int kLinkTarget = 3;
constexpr int kReadyTarget = 4;
// File numbers kept free of what the daemon stores, so that it can always be started again.
constexpr rlim_t kReservedFiles = 8;

}  // namespace

void DaemonProcess::raise_file_limit() noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  char soft[32];
  std::snprintf(soft, sizeof soft, "%llu", static_cast<unsigned long long>(limit.rlim_cur));
  // Started by a daemon, our own limit is the raised one and its variable the true one.
  setenv(kNofileVariable, soft, /*overwrite=*/0);
  set_file_limit(/*is_full=*/false);
}

int DaemonProcess::start() noexcept {
  int ends[2] = {-1, -1};
  set_file_limit(/*is_full=*/true);
  const int paired = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
  set_file_limit(/*is_full=*/false);
  if (paired != 0) {
    log_line("cannot make the link to the daemon: %s", strerrordesc_np(errno));
    return -1;
  }
  const pid_t child = fork();
  if (child == 0) run(ends[1]);
  if (child < 0) {
    log_line("cannot fork: %s", strerrordesc_np(errno));
    close(ends[0]);
    close(ends[1]);
    return -1;
  }
  close(ends[1]);
  if (ready_fd_ >= 0) close(ready_fd_);
  ready_fd_ = -1;
  pid_ = child;
  log_line("daemon (pid %d) started", pid_);
  return ends[0];
}

int DaemonProcess::take_delay_ms() noexcept {
  const int delay = next_delay_ms_;
  next_delay_ms_ = delay == 0 ? 100 : std::min(delay * 2, 5000);
  return delay;
}

void DaemonProcess::set_file_limit(bool is_full) const noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (!is_full && limit.rlim_cur > 4 * kReservedFiles) limit.rlim_cur -= kReservedFiles;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// In the child: becomes the daemon.
void DaemonProcess::run(int link) const noexcept {
  set_file_limit(/*is_full=*/true);
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction plain {};
    plain.sa_handler = SIG_DFL;
    sigaction(number, &plain, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  // Out of the way first: either may have the other's target number.
  link = fcntl(link, F_DUPFD_CLOEXEC, kReadyTarget + 1);
  const int ready = ready_fd_ < 0 ? -1 : fcntl(ready_fd_, F_DUPFD_CLOEXEC, kReadyTarget + 1);
  dup2(link, kLinkTarget);
  if (ready >= 0) dup2(ready, kReadyTarget);

  const char* arguments[] = {"pmxd", "--home", home_, "--link-fd", "3", nullptr, nullptr, nullptr};
  if (ready >= 0) {
    arguments[5] = "--ready-fd";
    arguments[6] = "4";
  }
  execv(path_, const_cast<char* const*>(arguments));
  log_line("cannot execute %s: %s", path_, strerrordesc_np(errno));
  _exit(kExitRefused);
}

}  // namespace pmx::keeper
