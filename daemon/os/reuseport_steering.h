// Steers the new connections of a SO_REUSEPORT group to some of its sockets: in turn where the kernel
// permits (reuseport_turns.h), else by a classic BPF program (SO_ATTACH_REUSEPORT_CBPF, no privilege
// needed, Linux 4.6) that picks one of them at random. Both know some clients by their port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pmx {

// More sockets than these get no share: the program must fit what the kernel allows an ordinary
// user.
inline constexpr std::size_t kMostSteered = 500;

// Connections from this port of the client, whatever its address, go to the socket at `index`.
struct AimedClient {
  std::uint16_t port = 0;
  std::size_t index = 0;
};
inline constexpr std::size_t kMostAimed = 64;  // further ones are dealt out like any other

// `socket` is any of the group. `indexes` are positions in it, that is in the order of listen(),
// ascending and not empty. Replaces the group's previous program at once. Returns 0 or an errno.
int steer(int socket, std::vector<std::size_t> indexes, std::vector<AimedClient> aimed = {});

}  // namespace pmx
