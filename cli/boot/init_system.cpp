#include "cli/boot/init_system.h"

#include <array>
#include <filesystem>
#include <utility>

#include "common/config/executable_search.h"

namespace pmx::cli {
namespace {

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

std::string_view to_string(InitSystem init) noexcept {
  switch (init) {
    case InitSystem::systemd:
      return "systemd";
    case InitSystem::openrc:
      return "openrc";
    case InitSystem::sysv:
      break;
  }
  return "systemv";
}

std::optional<InitSystem> init_system_of(std::string_view platform) noexcept {
  // Upstart runs the scripts of /etc/init.d too.
  constexpr auto kPlatforms = std::to_array<std::pair<std::string_view, InitSystem>>({
      {"systemd", InitSystem::systemd},  {"ubuntu", InitSystem::systemd},
      {"ubuntu16", InitSystem::systemd}, {"ubuntu18", InitSystem::systemd},
      {"debian", InitSystem::systemd},   {"centos", InitSystem::systemd},
      {"centos7", InitSystem::systemd},  {"redhat", InitSystem::systemd},
      {"fedora", InitSystem::systemd},   {"arch", InitSystem::systemd},
      {"oracle", InitSystem::systemd},   {"openrc", InitSystem::openrc},
      {"gentoo", InitSystem::openrc},    {"alpine", InitSystem::openrc},
      {"systemv", InitSystem::sysv},     {"sysv", InitSystem::sysv},
      {"amazon", InitSystem::sysv},      {"centos6", InitSystem::sysv},
      {"upstart", InitSystem::sysv},     {"ubuntu12", InitSystem::sysv},
      {"ubuntu14", InitSystem::sysv},
  });
  for (const auto& [name, init] : kPlatforms) {
    if (name == platform) return init;
  }
  return std::nullopt;
}

std::optional<InitSystem> detect_init_system(const std::string& root,
                                             const std::string& path_variable) {
  // What runs counts more than what is installed beside it.
  if (exists(root + "/run/systemd/system")) return InitSystem::systemd;
  if (exists(root + "/run/openrc")) return InitSystem::openrc;
  std::string path;
  for (std::size_t at = 0; at <= path_variable.size();) {
    const std::size_t end = std::min(path_variable.find(':', at), path_variable.size());
    path += root + path_variable.substr(at, end - at) + ":";
    at = end + 1;
  }
  for (const char* directory : {"/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"})
    path += root + directory + ":";
  const ExecutableSearch tools(path, "/");
  if (tools.find("systemctl")) return InitSystem::systemd;
  if (tools.find("rc-update")) return InitSystem::openrc;
  if (tools.find("update-rc.d") || tools.find("chkconfig")) return InitSystem::sysv;
  return std::nullopt;
}

}  // namespace pmx::cli
