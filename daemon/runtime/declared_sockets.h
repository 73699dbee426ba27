// The sockets that an app declares (AppSpec::listen), for one run: acquired from the ListenerSet and
// announced in the environment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/model/app_spec.h"
#include "daemon/ports/listener_set.h"
#include "daemon/ports/spawner.h"

namespace pmx {

// Adds to `request` what `spec` declares (at least one): descriptors, LISTEN_FDS and LISTEN_FDNAMES, and what
// nginx and einhorn expect. Returns why it cannot.
std::optional<std::string> add_declared_sockets(ListenerSet& listeners, std::uint64_t app_id,
                                                const AppSpec& spec, SpawnRequest& request);

// Binds them before there is a run to use them: connections queue. Returns descriptors, borrowed from
// the ListenerSet, that become readable when somebody connects or sends; or why it cannot.
std::variant<std::vector<int>, std::string> open_declared_sockets(ListenerSet& listeners,
                                                                  std::uint64_t app_id,
                                                                  const AppSpec& spec, int pm_id);

}  // namespace pmx
