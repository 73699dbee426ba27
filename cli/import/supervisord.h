// Programs of a supervisord configuration as launch requests.
#pragma once

#include <string>
#include <vector>

#include "common/config/launch.h"

namespace pmx::cli {

struct Imported {
  struct App {
    LaunchRequest request;
    bool autostart = true;
    std::vector<std::string> unmapped;  // settings without a counterpart
  };
  std::vector<App> apps;             // in the order they start in
  std::vector<std::string> remarks;  // of the whole file
};

// `environment`: of the caller, for the apps and for %(ENV_NAME)s. Reads included files. Throws
// Error(invalid_spec) naming file and line.
Imported read_supervisord(const std::string& path, const Env& environment);

}  // namespace pmx::cli
