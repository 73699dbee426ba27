// The JSON of `jlist`, with pm2's field names (pm2-surface 12.3), so that scripts keep working.
#pragma once

#include <string>
#include <vector>

#include "common/model/instance_status.h"

namespace pmx::cli {

// A compact array without final newline. Instances should have details. Values of variables that
// look secret are "[hidden]".
std::string jlist(const std::vector<InstanceStatus>& instances);

// The object pm2_env of one.
std::string pm2_env_json(const InstanceStatus& one);

}  // namespace pmx::cli
