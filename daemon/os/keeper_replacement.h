// Puts a new keeper in the place of one that died: starts it, gives it every slot, and says whether
// it has them.
#pragma once

#include <string>

#include "daemon/os/keeper_slots.h"

namespace pmx {

struct KeeperCommand {
  std::string keeper;  // program paths
  std::string daemon;
  std::string home;
};

// True: the new keeper has all slots and waits for this process' end to start the next one under
// it. Blocks until then (milliseconds).
bool replace_keeper(const KeeperSlots& slots, const KeeperCommand& command);

}  // namespace pmx
