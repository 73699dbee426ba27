#include "common/sys/pidfd.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace pmx::sys {

UniqueFd pidfd_open(pid_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  // EINVAL: the thread exists but is no thread group leader (any more): gone as well.
  if (!fd && errno != ESRCH && errno != EINVAL) {
    throw std::system_error(errno, std::generic_category(), "pidfd_open");
  }
  return fd;
}

bool pidfd_signal(int pidfd, int number) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) == 0;
}

}  // namespace pmx::sys
