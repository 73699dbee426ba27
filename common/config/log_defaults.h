// What log rotation is for every app that says nothing else: settings (pmx set) under the names of
// pm2-logrotate, "pm2-logrotate:max_size" and so on.
#pragma once

#include <string>
#include <string_view>

#include "common/config/settings.h"
#include "common/model/log_limits.h"

namespace pmx {

// Whether a key of the settings is one of them, or is meant to be.
bool is_log_default(std::string_view key);

// Throws Error(invalid_request): it takes no such value, or pmx has nothing like it.
void check_log_default(std::string_view key, const std::string& value);

// What the settings say; the rest as LogLimits has it. Throws as above, for a file written by hand.
LogLimits default_log_limits(const Settings& settings);

// What becomes of the limits of an app when the defaults change: those that are as before follow.
LogLimits follow_defaults(LogLimits limits, const LogLimits& before, const LogLimits& after);

}  // namespace pmx
