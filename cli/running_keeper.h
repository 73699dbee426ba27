// Is a keeper of this home alive although nobody serves the socket? Then its daemon is being
// started again, and a second keeper would run every app twice.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/base/unique_fd.h"

namespace pmx::cli {

// pidfd of the pmx-keeper whose --home is `home`, of the same user as that directory; empty if there
// is none. Reads /proc.
UniqueFd find_running_keeper(const std::string& home);

// Is `pid` of the user whose `home` is? To be asked before a signal: what a daemon says of itself,
// and any process' command line, may have been made up to have root signal somebody else.
bool is_of_owner(pid_t pid, const std::string& home);

}  // namespace pmx::cli
