// What pmx needs from a package.json.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace pmx {

// The "version" in the nearest package.json from `directory` (absolute) upwards; empty if there is
// none or it cannot be read.
std::string nearest_package_version(const std::string& directory);

struct Package {
  std::string directory;  // where its package.json is
  std::string name;
  std::string version;
  std::map<std::string, std::string> scripts;
};

// The nearest from `directory` (absolute) upwards. nullopt: there is none.
std::optional<Package> nearest_package(const std::string& directory);

// The file that Node would run for `directory`: "main" of its package.json, else index.js. nullopt:
// there is none.
std::optional<std::string> package_entry(const std::string& directory);

}  // namespace pmx
