// Is a keeper of this home alive although nobody serves the socket? Then its daemon is being
// started again, and a second keeper would run every app twice.
#pragma once

#include <string>

#include "common/base/unique_fd.h"

namespace pmx::cli {

// pidfd of the pmx-keeper whose --home is `home`; empty if there is none. Reads /proc.
UniqueFd find_running_keeper(const std::string& home);

}  // namespace pmx::cli
