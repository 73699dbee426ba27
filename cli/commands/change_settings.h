// Settings of an app that exists, changed by options of restart, reload and start.
#pragma once

#include <string>
#include <vector>

#include "cli/commands/apply.h"
#include "cli/commands/start_options.h"
#include "cli/context.h"

namespace pmx::cli {

// Whether they say anything about an app, and not only how the command is to work.
bool has_settings(const StartOptions& options, const std::vector<std::string>& app_args);

// Brings the one app that `options.targets` means to these settings, beside those it has, and restarts
// or reloads it (`action`). False: printed why not. Throws UsageError if several apps are meant.
bool change_settings(Context& context, const StartOptions& options,
                     const std::vector<std::string>& app_args, PlanStep::Action action,
                     const ApplyOptions& how);

}  // namespace pmx::cli
