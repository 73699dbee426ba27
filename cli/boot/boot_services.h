// Where the services of boot are, and what enables and disables them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/boot/init_system.h"

namespace pmx::cli {

// One that the package has installed: pmx@.service below `root`.
bool has_template_unit(const std::string& root);

// The file of a service of that name. `user_directory`: of the user manager's units; "": a service of
// the system.
std::string service_file(InitSystem init, const std::string& root, const std::string& name,
                         const std::string& user_directory);

// Commands in their order. `root` is not "": of another tree, where nothing can be started.
using Commands = std::vector<std::vector<std::string>>;
struct ServiceScope {
  InitSystem init = InitSystem::systemd;
  std::string root;
  bool of_user_manager = false;
  bool runs = false;  // the init system itself: what is enabled can be started, too
};
Commands enabling(const ServiceScope& scope, const std::string& name);
Commands disabling(const ServiceScope& scope, const std::string& name);
// After a file has come or gone.
Commands rereading(const ServiceScope& scope);

}  // namespace pmx::cli
