// Whether the log files that an app asks for can be written, told before anything is changed.
#pragma once

#include "common/config/paths.h"
#include "common/model/app_spec.h"

namespace pmx::cli {

// Looks at the file system as this user and changes nothing. Throws Error(invalid_spec) naming the
// first file that cannot be made or written. The usual files in the home are not looked at.
void check_log_paths(const Paths& paths, const AppSpec& spec);

}  // namespace pmx::cli
