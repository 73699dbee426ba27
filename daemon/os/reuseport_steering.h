// Steers the new connections of a SO_REUSEPORT group to some of its sockets: a classic BPF program
// (SO_ATTACH_REUSEPORT_CBPF, no privilege needed, Linux 4.6) that picks one of them at random.
#pragma once

#include <cstddef>
#include <vector>

namespace pmx {

// More sockets than these get no share: the program must fit what the kernel allows an ordinary
// user.
inline constexpr std::size_t kMostSteered = 500;

// `socket` is any of the group. `indexes` are positions in it, that is in the order of listen(),
// ascending and not empty. Replaces the group's previous program at once. Returns 0 or an errno.
int steer(int socket, const std::vector<std::size_t>& indexes);

}  // namespace pmx
