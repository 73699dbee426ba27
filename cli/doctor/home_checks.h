// The home of pmx: whose it is, who may look into it, its disk, and what the clock says of its files.
#pragma once

#include <sys/types.h>

#include "cli/doctor/finding.h"
#include "common/config/paths.h"

namespace pmx::cli {

// `user`: who asks.
Findings check_home(const Paths& paths, uid_t user);

}  // namespace pmx::cli
