#include "cli/boot/boot_services.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "common/config/executable_search.h"

namespace pmx::cli {
namespace {

std::vector<std::string> systemctl(const ServiceScope& scope, std::vector<std::string> words) {
  std::vector<std::string> command = {"systemctl"};
  if (scope.of_user_manager) command.emplace_back("--user");
  if (!scope.root.empty()) command.push_back("--root=" + scope.root);
  command.insert(command.end(), words.begin(), words.end());
  return command;
}

// Tools of boot scripts know their own tree only.
std::vector<std::string> inside(const ServiceScope& scope, std::vector<std::string> words) {
  if (!scope.root.empty()) words.insert(words.begin(), {"chroot", scope.root});
  return words;
}

bool has_update_rc(const std::string& root) {
  const ExecutableSearch tools(root + "/usr/sbin:" + root + "/sbin", "/");
  return tools.find("update-rc.d").has_value();
}

}  // namespace

bool has_template_unit(const std::string& root) {
  for (const char* directory : {"/etc/systemd/system", "/usr/local/lib/systemd/system",
                                "/usr/lib/systemd/system", "/lib/systemd/system"}) {
    if (::access(fmt::format("{}{}/pmx@.service", root, directory).c_str(), F_OK) == 0) return true;
  }
  return false;
}

std::string service_file(InitSystem init, const std::string& root, const std::string& name,
                         const std::string& user_directory) {
  if (init != InitSystem::systemd) return fmt::format("{}/etc/init.d/{}", root, name);
  if (!user_directory.empty()) return fmt::format("{}/{}.service", user_directory, name);
  return fmt::format("{}/etc/systemd/system/{}.service", root, name);
}

Commands enabling(const ServiceScope& scope, const std::string& name) {
  Commands commands;
  switch (scope.init) {
    case InitSystem::systemd:
      commands.push_back(systemctl(scope, {"enable", name + ".service"}));
      if (scope.runs) commands.push_back(systemctl(scope, {"start", name + ".service"}));
      return commands;
    case InitSystem::openrc:
      commands.push_back(inside(scope, {"rc-update", "add", name, "default"}));
      if (scope.runs) commands.push_back({"rc-service", name, "start"});
      return commands;
    case InitSystem::sysv:
      break;
  }
  if (has_update_rc(scope.root)) {
    commands.push_back(inside(scope, {"update-rc.d", name, "defaults"}));
  } else {
    commands.push_back(inside(scope, {"chkconfig", "--add", name}));
    commands.push_back(inside(scope, {"chkconfig", name, "on"}));
  }
  if (scope.runs) commands.push_back({"/etc/init.d/" + name, "start"});
  return commands;
}

Commands disabling(const ServiceScope& scope, const std::string& name) {
  Commands commands;
  switch (scope.init) {
    case InitSystem::systemd:
      if (scope.runs) commands.push_back(systemctl(scope, {"stop", name + ".service"}));
      commands.push_back(systemctl(scope, {"disable", name + ".service"}));
      return commands;
    case InitSystem::openrc:
      if (scope.runs) commands.push_back({"rc-service", name, "stop"});
      commands.push_back(inside(scope, {"rc-update", "del", name, "default"}));
      return commands;
    case InitSystem::sysv:
      break;
  }
  if (scope.runs) commands.push_back({"/etc/init.d/" + name, "stop"});
  if (has_update_rc(scope.root)) {
    commands.push_back(inside(scope, {"update-rc.d", "-f", name, "remove"}));
  } else {
    commands.push_back(inside(scope, {"chkconfig", "--del", name}));
  }
  return commands;
}

Commands rereading(const ServiceScope& scope) {
  if (scope.init != InitSystem::systemd || !scope.runs) return {};
  return {systemctl(scope, {"daemon-reload"})};
}

}  // namespace pmx::cli
