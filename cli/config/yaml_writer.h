// JSON as YAML.
#pragma once

#include <string>
#include <string_view>

namespace pmx::cli {

// `json` must be JSON. The order of its members stays.
std::string yaml_of_json(std::string_view json);

}  // namespace pmx::cli
