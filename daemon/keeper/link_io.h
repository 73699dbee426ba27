// Sends and receives the keeper's messages; both ends use it. Never throws, allocates or waits.
#pragma once

#include "daemon/keeper/wire.h"

namespace pmx::keeper {

enum class LinkResult {
  done,
  would_block,  // nothing happened: try again when the socket is writable (readable)
  closed,       // the other end is gone
  malformed,    // received something that is no message of this version; it is thrown away
  failed,       // errno says why (a bad descriptor, no permission ...); nothing happened
};

// A message with everything but magic, version, `verb` and `slot` zero.
[[nodiscard]] Message make_message(Verb verb, std::uint64_t slot) noexcept;

// How many descriptors the message says it carries. Fewer arrive when the receiver runs out of
// them.
[[nodiscard]] int announced_fds(const Message& message) noexcept;

// Sends `message` and copies of `fds` (pidfd first, at most kMaxMessageFds); the caller keeps its
// own.
[[nodiscard]] LinkResult send_message(int socket, const Message& message, const int* fds,
                                      int fd_count) noexcept;

// Receives one message. `fds` has room for kMaxMessageFds; the `fd_count` that came are the
// caller's (close-on-exec); on any result but `done` there are none.
[[nodiscard]] LinkResult receive_message(int socket, Message& message, int* fds,
                                         int& fd_count) noexcept;

}  // namespace pmx::keeper
