// seccomp notifications of bind() and listen(): a process gives these two of its system calls, and
// those of all its descendants, into the hands of whoever holds a descriptor. Sources: seccomp(2),
// seccomp_unotify(2). Linux 5.9 or newer.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace pmx::sys {

// Asks the holder for bind and listen of this machine's own word size; lets everything else through,
// all calls of foreign architectures too.
std::span<const sock_filter> bind_filter() noexcept;

// Puts the calling thread under bind_filter() for life; for the child between clone and exec:
// async-signal-safe, touches no memory of the process. Without CAP_SYS_ADMIN it sets no_new_privs.
// Returns the descriptor (close-on-exec) that the calls are answered at, or -1 with errno: ENOSYS:
// the kernel is too old; EINVAL: it has no seccomp; EBUSY: a holder is there already; EPERM,
// EACCES: a sandbox forbids it.
int install_bind_filter() noexcept;

// A call that waits for its answer. Its caller may be gone at any time, so that its tid means another
// thread: what was learnt about that counts only if is_waiting() afterwards.
struct WaitingCall {
  std::uint64_t id = 0;
  pid_t tid = 0;  // 0: not visible from here
  int number = 0;
  std::array<std::uint64_t, 6> arguments{};
};

// `notify` is what install_bind_filter() has returned. To be called when it is readable, by one
// reader at a time: it would block else. nullopt: the caller is gone.
std::optional<WaitingCall> next_call(int notify);
bool is_waiting(int notify, std::uint64_t id) noexcept;
// Makes `number` in the caller a copy of `fd`, in place of what that was. False: the caller is gone,
// or must not have so many descriptors.
bool place_descriptor(int notify, std::uint64_t id, int fd, int number,
                      bool close_on_exec) noexcept;
// The call returns 0, or fails with `error`.
void answer_call(int notify, std::uint64_t id, int error) noexcept;
// The kernel does what was asked for.
void let_through(int notify, std::uint64_t id) noexcept;

}  // namespace pmx::sys
