// Apps written back as a configuration file.
#pragma once

#include <string>
#include <vector>

#include "common/model/app_spec.h"

namespace pmx {

// Such that reading it gives these apps again, with the environment of the same shell. Values that
// look secret stand as ${NAME}; variables of an `env_file` and of the shell are not in it.
std::string export_json(const std::vector<AppSpec>& apps);

}  // namespace pmx
