// What a bind() of a program that is not Node gets, however the daemon hears of it: from
// libpmx-listen.so (ListenDoor) or from the kernel (SeccompDoor).
#pragma once

#include <cstdint>

#include "daemon/ports/listener_set.h"
#include "daemon/shim/listen_wire.h"

namespace pmx {

// The run that asks.
struct BindCaller {
  std::uint64_t app_id = 0;
  RunId run;
  Balance balance = Balance::shared;
};

// The app's socket for the address in `question`, of which the token is not read.
ListenResult shared_socket(ListenerSet& listeners, const BindCaller& caller,
                           const pmx_listen_question& question);

}  // namespace pmx
