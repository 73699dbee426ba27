// Between the daemon and the main process of its systemd unit, over a socket of the latter
// (SOCK_SEQPACKET, Paths::unit_socket): what systemd shall keep. The daemon connects when it gets the
// command UnitStore. Each message is the text of a name: with descriptors, they replace those kept
// under it; without, the name is forgotten.
#pragma once

#include <string_view>

namespace pmx::protocol {

// In place of a name: all that there is has been sent since the connection was made. Other names are
// of the past.
inline constexpr std::string_view kMirrored = "mirrored";

}  // namespace pmx::protocol
