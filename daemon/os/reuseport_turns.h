// As reuseport_steering.h, but in turn instead of at random: an eBPF program that counts. The kernel
// lets only the privileged load one (CAP_BPF or CAP_SYS_ADMIN, unless unprivileged_bpf_disabled
// is 0).
#pragma once

#include <vector>

#include "daemon/os/reuseport_steering.h"

namespace pmx {

// The parameters are those of steer(), whose limits the caller keeps. False: not here.
bool steer_in_turn(int socket, const std::vector<std::size_t>& indexes,
                   const std::vector<AimedClient>& aimed);

}  // namespace pmx
