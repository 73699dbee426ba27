// The files that bring a user's apps back at boot, as text.
#pragma once

#include <string>

#include "cli/boot/init_system.h"

namespace pmx::cli {

struct BootService {
  std::string name;              // of the service
  std::string user;              // whose apps
  std::string home;              // PMX_HOME
  std::string program;           // absolute path of pmx
  bool of_user_manager = false;  // a unit of `systemd --user`, not of the system
  bool wait_for_network = false;
};

// Throws Error(invalid_spec) if a path has a character that these files cannot be trusted with.
std::string service_text(InitSystem init, const BootService& service);

}  // namespace pmx::cli
