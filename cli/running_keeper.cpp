#include "cli/running_keeper.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

#include "common/sys/file.h"
#include "common/sys/pidfd.h"

namespace pmx::cli {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// `command_line` as in /proc: words ended by zeros.
bool is_keeper_of(std::string_view command_line, const std::string& home) {
  const std::string_view program = command_line.substr(0, command_line.find('\0'));
  if (program.substr(program.rfind('/') + 1) != "pmx-keeper") return false;
  std::string option = "--home";
  option += '\0';
  option += home;
  option += '\0';
  return command_line.find(option) != std::string_view::npos;
}

std::string command_line_of(const std::string& pid) {
  try {
    return sys::read_file("/proc/" + pid + "/cmdline").value_or("");
  } catch (const std::system_error&) {
    return {};  // it has just ended
  }
}

}  // namespace

bool is_of_owner(pid_t pid, const std::string& home) {
  struct stat directory {};
  struct stat process {};
  if (::stat(home.c_str(), &directory) != 0) return true;  // removed: nobody to compare with
  const std::string entry = "/proc/" + std::to_string(pid);
  return ::stat(entry.c_str(), &process) == 0 && process.st_uid == directory.st_uid;
}

UniqueFd find_running_keeper(const std::string& home) {
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir("/proc"));
  if (!directory) return {};
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string pid = static_cast<const char*>(entry->d_name);
    if (!std::all_of(pid.begin(), pid.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0; })) {
      continue;
    }
    if (!is_keeper_of(command_line_of(pid), home)) continue;
    UniqueFd found = sys::pidfd_open(std::atoi(pid.c_str()));
    // Between reading and opening, the number may have passed on.
    if (found && is_keeper_of(command_line_of(pid), home) &&
        is_of_owner(std::atoi(pid.c_str()), home))
      return found;
  }
  return {};
}

}  // namespace pmx::cli
