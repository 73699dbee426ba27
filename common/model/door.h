// Which way an instance gets the sockets that it shares with the others.
#pragma once

#include <string_view>

#include "common/model/app_spec.h"

namespace pmx {

enum class Door {
  none,     // it binds its own, or is passed declared ones
  node,     // Node's cluster protocol, over its channel
  preload,  // libpmx-listen.so answers its bind()
  seccomp,  // the daemon answers its bind() in the kernel's place
};

// Whether `interpreter` (name or path) can be a worker of a Node cluster.
bool is_node(std::string_view interpreter) noexcept;

Door door_of(const AppSpec& spec) noexcept;

// Whether the daemon may answer a bind() of this port: PMX_LISTEN and PMX_LISTEN_PORTS in the app's
// environment mean to it what they mean to libpmx-listen.so.
bool may_share_port(const AppSpec& spec, int port);

// Whether a new run can work beside the old one, so that a reload need not leave a gap.
bool shares_sockets(const AppSpec& spec) noexcept;

}  // namespace pmx
