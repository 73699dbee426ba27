// Values of settings as a configuration file would say them.
#pragma once

#include <string>
#include <string_view>

namespace pmx::cli {

// `value` of a field of AppSpec's JSON: "3s" for 3000, "200M" for 209715200. What has no unit is
// returned as it is.
std::string with_unit(std::string_view field, const std::string& value);

}  // namespace pmx::cli
