// Whether the apps come back at boot: the chain from the init system to the home.
#pragma once

#include <string>

#include "cli/doctor/finding.h"

namespace pmx::cli {

struct BootQuestions {
  std::string root;       // of the system's files, "" for this system
  std::string user;       // whose apps
  std::string user_home;  // home directory of that user
  std::string home;       // PMX_HOME
  bool thorough = false;  // --boot: no way to come back is a fault, and every link is tried
};

Findings check_boot(const BootQuestions& questions);

}  // namespace pmx::cli
