// Unix domain stream sockets by path.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <optional>
#include <string>

#include "common/base/unique_fd.h"

namespace pmx::sys {

// Longest path that fits into sockaddr_un with its final zero.
inline constexpr std::size_t kMaxSocketPath = 107;

// Binds (after removing a stale file) with mode 0600 and listens; non-blocking, CLOEXEC. With a
// `group` its members may connect, too (0660). Throws std::system_error.
UniqueFd listen_unix(const std::string& path, int backlog, int type = SOCK_STREAM,
                     std::optional<gid_t> group = std::nullopt);

// Blocking, CLOEXEC. Throws std::system_error: ENOENT and ECONNREFUSED mean that nobody serves the
// path.
UniqueFd connect_unix(const std::string& path, int type = SOCK_STREAM);

// User id of the process at the other end, as the kernel saw it at connect time (SO_PEERCRED).
uid_t peer_uid(int fd);
// Whether it had that group then, as its own or as a supplementary one (SO_PEERGROUPS).
bool peer_has_group(int fd, gid_t group);
// Its process id, in the same way: of whoever called listen().
pid_t peer_pid(int fd);

}  // namespace pmx::sys
