// What the kernel knows about one process: whose child it is, and how it ended.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include "daemon/keeper/wire.h"

namespace pmx::keeper {

// True while the process (running or zombie) is a child of the caller. `pidfd` decides if >= 0.
[[nodiscard]] bool is_own_child(pid_t pid, int pidfd) noexcept;

// A pidfd, close-on-exec; -1 with errno.
[[nodiscard]] int open_pidfd(pid_t pid) noexcept;

enum class PidfdState {
  running,  // or a zombie its parent has not yet waited for, if the kernel can tell later
  ended,    // wait_status valid
  unknown,  // ended, or about to; this kernel cannot tell how (before Linux 6.15)
};

// Asks for the wait status of somebody else's child. To be called once `pidfd` polls readable.
[[nodiscard]] PidfdState read_pidfd_exit(int pidfd, int& wait_status) noexcept;

// A record dated now. `wait_status` and `usage` may be null when unknown.
[[nodiscard]] ExitRecord make_exit_record(pid_t pid, const int* wait_status,
                                          const rusage* usage) noexcept;

}  // namespace pmx::keeper
