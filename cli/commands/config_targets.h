// Configuration files where a target may stand: `pmx restart apps.json --only web`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "common/config/ecosystem.h"
#include "common/config/launch.h"

namespace pmx::cli {

// A configuration file by its name (pm2-surface 5, rules 1 and 2), or "-" for standard input.
bool is_config_target(const std::string& target);

// What a configuration file is read with: this shell, and the defaults of this home.
EcosystemContext ecosystem_context(Context& context, const std::string& env_name);

// The apps of a file or of stdin. `only`: names separated by commas or blanks; none: all.
// `env_name`: --env. Warnings are printed. Throws Error.
std::vector<LaunchRequest> apps_of(Context& context, const std::string& target,
                                   const std::optional<std::string>& only,
                                   const std::string& env_name = {});

// Replaces configuration files by the names of their apps.
std::vector<std::string> expand_config_files(Context& context,
                                             const std::vector<std::string>& targets,
                                             const std::optional<std::string>& only);

}  // namespace pmx::cli
