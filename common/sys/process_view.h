// Looking into another process, as a debugger may (ptrace(2), "access mode checking"): it must be of
// the same user and no more privileged than we; Yama can narrow that to descendants. Where it is
// refused, errno is EPERM. The process may be gone, and its pid another's, at any time.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "common/base/unique_fd.h"

namespace pmx::sys {

// Copies `size` bytes at `address` of that process or thread. False: errno says why; not all of them
// are there.
bool read_memory(pid_t pid, std::uint64_t address, void* to, std::size_t size) noexcept;

// nullopt: no such thread.
std::optional<pid_t> process_of_thread(pid_t tid);

// A descriptor of ours for the same open file (pidfd_getfd(2)). Empty: errno says why.
UniqueFd descriptor_of(pid_t pid, int number);
// Whether that descriptor is closed by an exec; false if it cannot be read.
bool is_close_on_exec(pid_t pid, int number);

// The process and its descendants.
std::vector<pid_t> process_tree(pid_t pid);
// The threads that wait in one of these system calls.
std::vector<pid_t> threads_in_call(pid_t pid, std::initializer_list<int> calls);
// Has the kernel take up the thread's system call anew, as after a signal without a handler. The
// process is stopped and continued; a handler that it has for SIGCONT runs.
void interrupt_call(pid_t pid, pid_t tid) noexcept;

}  // namespace pmx::sys
