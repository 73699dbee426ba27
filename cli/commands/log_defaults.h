// Log rotation of the apps that say nothing else about it, see common/config/log_defaults.h.
#pragma once

#include "cli/context.h"
#include "common/model/log_limits.h"

namespace pmx::cli {

// As the settings of this home say.
LogLimits default_log_limits(Context& context);

// Changes the apps that have followed `before`, in place: their processes go on. Says which. Starts a
// daemon if there are apps and none runs. False: one could not be changed. Throws Error if the daemon
// refuses the limits; then nothing is changed.
bool apply_log_defaults(Context& context, const LogLimits& before, const LogLimits& after);

}  // namespace pmx::cli
