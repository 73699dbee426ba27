// The list as Node's util.inspect shows objects: for eyes that are used to `pm2 prettylist`.
#pragma once

#include <string>
#include <vector>

#include "common/model/instance_status.h"

namespace pmx::cli {

// Any JSON text as Node shows it.
std::string as_node_shows(const std::string& json);

// What jlist has, over many lines, without final newline.
std::string prettylist(const std::vector<InstanceStatus>& instances);

}  // namespace pmx::cli
