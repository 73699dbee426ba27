// TCP sockets as the kernel lists them: NETLINK_SOCK_DIAG, sock_diag(7). Throws std::system_error.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace pmx::sys {

struct TcpSocket {
  std::uint64_t inode = 0;    // as in /proc/PID/fd; 0: of no process (any more)
  std::uint32_t waiting = 0;  // listening: connections in the accept queue
};

// Masks of the states in which a socket listens, and in which its process may still serve a client.
inline constexpr std::uint32_t kTcpListening = 1U << 10U;
inline constexpr std::uint32_t kTcpServing = 1U << 1U | 1U << 4U | 1U << 5U | 1U << 8U;

// The sockets of this network namespace with that local port, IPv4 and IPv6. One netlink
// conversation per family; never waits for anything but the kernel.
std::vector<TcpSocket> tcp_sockets(int local_port, std::uint32_t states);

}  // namespace pmx::sys
