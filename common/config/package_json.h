// What pmx needs from a package.json.
#pragma once

#include <optional>
#include <string>

namespace pmx {

// The "version" in the nearest package.json from `directory` (absolute) upwards; empty if there is
// none or it cannot be read.
std::string nearest_package_version(const std::string& directory);

// The file that Node would run for `directory`: "main" of its package.json, else index.js. nullopt:
// there is none.
std::optional<std::string> package_entry(const std::string& directory);

}  // namespace pmx
