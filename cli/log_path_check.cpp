#include "cli/log_path_check.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <string>
#include <system_error>

#include "common/base/error.h"

namespace pmx::cli {
namespace {

// Nobody can make a file there, which access(2) does not tell root.
bool is_of_the_kernel(const std::string& directory) {
  struct statfs system {};
  if (::statfs(directory.c_str(), &system) != 0) return false;
  return system.f_type == PROC_SUPER_MAGIC || system.f_type == SYSFS_MAGIC;
}

struct Obstacle {
  std::string path;  // what is in the way: the file, or the last directory on the way that exists
  int error = 0;     // errno; 0: nothing
};

Obstacle obstacle_of(const std::string& path) {
  struct stat status {};
  if (path.size() - path.rfind('/') - 1 > NAME_MAX) return {path, ENAMETOOLONG};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return {path, EISDIR};
    return {path, ::access(path.c_str(), W_OK) == 0 ? 0 : errno};
  }
  std::string present = path;
  while (errno == ENOENT && present.size() > 1) {
    present.resize(std::max<std::size_t>(present.rfind('/'), 1));
    if (::stat(present.c_str(), &status) == 0) {
      if (!S_ISDIR(status.st_mode)) return {present, ENOTDIR};
      if (::access(present.c_str(), W_OK | X_OK) != 0) return {present, errno};
      return {present, is_of_the_kernel(present) ? EROFS : 0};
    }
  }
  return {present, errno};
}

void check(const std::string& option, const std::string& path) {
  const Obstacle obstacle = obstacle_of(path);
  if (obstacle.error == 0) return;
  throw Error(ErrorCode::invalid_spec,
              fmt::format("{}: {} cannot be written: {}{}", option, path,
                          obstacle.path == path ? "" : obstacle.path + ": ",
                          std::generic_category().message(obstacle.error)),
              "name a file that can be made and written, or /dev/null");
}

}  // namespace

void check_log_paths(const Paths& paths, const AppSpec& spec) {
  constexpr int kAnyId = 0;
  struct stat home {};
  // In the system instance somebody else writes.
  if (::stat(paths.home().c_str(), &home) == 0 && home.st_uid != ::geteuid()) return;
  if (!spec.out_file.empty()) check("out_file", paths.out_log(spec, kAnyId));
  if (!spec.error_file.empty()) check("error_file", paths.error_log(spec, kAnyId));
  if (spec.log_file && !spec.log_file->empty()) check("log_file", paths.combined_log(spec, kAnyId));
}

}  // namespace pmx::cli
