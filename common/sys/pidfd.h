// pidfds: handles of processes that no recycled pid can confuse.
#pragma once

#include <sys/types.h>

#include "common/base/unique_fd.h"

namespace pmx::sys {

// Empty if there is no such process; throws std::system_error on other errors (e.g. out of
// descriptors).
UniqueFd pidfd_open(pid_t pid);
// False if the process has ended (or may not be signalled).
bool pidfd_signal(int pidfd, int number) noexcept;

}  // namespace pmx::sys
