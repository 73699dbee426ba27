#include "cli/system_instance.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/sys/child_limits.h"

namespace pmx::cli {
namespace {

// As in packaging/systemd/pmx.service.
constexpr const char* kHome = "/var/lib/pmx";

bool is_of_the_terminal(std::string_view name) {
  constexpr std::array<std::string_view, 8> kNames = {
      "PATH", "LANG", "TZ", "TERM", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "TMPDIR"};
  return name.starts_with("LC_") || std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

void keep_terminal_variables() {
  std::vector<std::string> others;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string_view name = text.substr(0, text.find('='));
    if (!is_of_the_terminal(name)) others.emplace_back(name);
  }
  for (const std::string& name : others) ::unsetenv(name.c_str());
}

void become(const sys::UserEntry& user) {
  if (::setgroups(1, &user.gid) == 0 && ::setgid(user.gid) == 0 && ::setuid(user.uid) == 0) return;
  throw Error(ErrorCode::permission,
              fmt::format("cannot become the user {}: {}", user.name, std::strerror(errno)));
}

}  // namespace

void enter_system_instance() {
  struct stat home {};
  if (::stat(kHome, &home) != 0) {
    throw Error(
        ErrorCode::unavailable,
        fmt::format("this machine has no system instance: {}: {}", kHome, std::strerror(errno)),
        "pmx's Debian or RPM package brings it; then: systemctl enable --now pmx");
  }
  const auto user = sys::find_user(std::to_string(home.st_uid));
  if (!user) {
    throw Error(ErrorCode::unavailable,
                fmt::format("{} belongs to user id {}, which has no name", kHome, home.st_uid));
  }
  if (::geteuid() == 0 && user->uid != 0) become(*user);
  keep_terminal_variables();
  ::setenv("PMX_HOME", kHome, 1);
  ::setenv("HOME", kHome, 1);
  ::setenv("USER", user->name.c_str(), 1);
  ::setenv("LOGNAME", user->name.c_str(), 1);
}

}  // namespace pmx::cli
