// What `run` and `start --no-daemon` share.
#pragma once

#include <string>
#include <vector>

#include "cli/commands/start_options.h"
#include "cli/context.h"
#include "cli/foreground/foreground.h"

namespace pmx::cli {

// Runs the targets of `options` until they end. Returns the exit code. Throws Error before anything was
// started.
int run_foreground(Context& context, const StartOptions& options,
                   const std::vector<std::string>& app_args, ForegroundOptions how);

}  // namespace pmx::cli
