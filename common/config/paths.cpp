#include "common/config/paths.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "common/base/error.h"
#include "common/base/escaped.h"
#include "common/base/text.h"
#include "common/config/executable_search.h"

namespace pmx {
namespace {

constexpr mode_t kPrivate = 0700;
// One byte of sun_path is the terminating zero.
constexpr std::size_t kLongestSocketPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::string_view kLogEnding = ".log";

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

void check_private_directory(const std::string& path, bool is_home) {
  const std::string hint = is_home ? "set PMX_HOME to a directory of your own"
                                   : fmt::format("remove or repair {}", path);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    throw Error(ErrorCode::permission, fmt::format("cannot use {}: {}", path, std::strerror(errno)),
                hint);
  }
  if (!S_ISDIR(info.st_mode)) {
    throw Error(ErrorCode::permission, fmt::format("{} is not a directory", path), hint);
  }
  if (info.st_uid != ::geteuid()) {
    throw Error(ErrorCode::permission,
                fmt::format("{} belongs to user id {}, but this is user id {}", path, info.st_uid,
                            ::geteuid()),
                hint);
  }
  if (::access(path.c_str(), W_OK | X_OK) != 0) {
    throw Error(ErrorCode::permission,
                fmt::format("cannot write to {}: {}", path, std::strerror(errno)), hint);
  }
}

void make_private_directory(const std::string& path) {
  if (::mkdir(path.c_str(), kPrivate) == 0 || errno == EEXIST) return;
  throw Error(ErrorCode::permission,
              fmt::format("cannot create {}: {}", path, std::strerror(errno)),
              "set PMX_HOME to a directory that can be created");
}

bool has_id_in_log_names(const AppSpec& spec) {
  const bool plain = !spec.instances_given && spec.exec_mode == ExecMode::fork;
  return !spec.merge_logs.value_or(plain);
}

}  // namespace

Paths Paths::at(std::string_view home) {
  // Without a directory to stand in, absolute paths still work.
  const bool relative = !home.starts_with('/');
  Paths paths;
  paths.home_ =
      absolute_path(home, relative ? std::filesystem::current_path().string() : std::string());
  if (!is_utf8(paths.home_)) {
    throw Error(ErrorCode::invalid_spec,
                fmt::format("the path of the home is not UTF-8: {}", escaped(paths.home_)),
                "set PMX_HOME to another path; a symbolic link will do");
  }
  const std::string path = paths.socket();
  if (path.size() <= kLongestSocketPath) return paths;
  throw Error(ErrorCode::invalid_spec,
              fmt::format("the path of the control socket is too long: {} has {} bytes, the system "
                          "allows {}",
                          path, path.size(), kLongestSocketPath),
              "set PMX_HOME to a shorter path");
}

Paths Paths::from_environment() {
  if (const std::string_view home = variable("PMX_HOME"); !home.empty()) return at(home);
  if (const std::string_view user_home = variable("HOME"); !user_home.empty()) {
    return at(fmt::format("{}/.pmx", user_home));
  }
  throw Error(ErrorCode::invalid_spec, "neither PMX_HOME nor HOME is set",
              "set PMX_HOME to the directory that pmx may use");
}

void Paths::ensure_home() const {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(home_).parent_path(), error);
  if (error) {
    throw Error(ErrorCode::permission, fmt::format("cannot create {}: {}", home_, error.message()),
                "set PMX_HOME to a directory that can be created");
  }
  make_private_directory(home_);
  check_private_directory(home_, true);
  for (const std::string& path : {logs(), pids()}) {
    make_private_directory(path);
    check_private_directory(path, false);
  }
}

namespace {

// `stem` is the default path without ".log".
std::string log_path(const std::string& wished, const std::string& stem, const AppSpec& spec,
                     int pm_id) {
  const std::string path = wished.empty() ? stem + std::string(kLogEnding) : wished;
  if (!has_id_in_log_names(spec) || !path.ends_with(kLogEnding)) return path;
  return fmt::format("{}-{}{}", path.substr(0, path.size() - kLogEnding.size()), pm_id, kLogEnding);
}

}  // namespace

std::string Paths::out_log(const AppSpec& spec, int pm_id) const {
  return log_path(spec.out_file, fmt::format("{}/{}-out", logs(), file_stem_of(spec.name)), spec,
                  pm_id);
}

std::string Paths::error_log(const AppSpec& spec, int pm_id) const {
  return log_path(spec.error_file, fmt::format("{}/{}-error", logs(), file_stem_of(spec.name)),
                  spec, pm_id);
}

std::string Paths::combined_log(const AppSpec& spec, int pm_id) const {
  if (!spec.log_file || *spec.log_file == "/dev/null") return {};
  return log_path(*spec.log_file, fmt::format("{}/{}", logs(), file_stem_of(spec.name)), spec,
                  pm_id);
}

std::string Paths::pid_of(const AppSpec& spec, int pm_id) const {
  constexpr std::string_view kEnding = ".pid";
  if (spec.pid_file.empty())
    return fmt::format("{}/{}-{}{}", pids(), file_stem_of(spec.name), pm_id, kEnding);
  std::string_view stem = spec.pid_file;
  const bool has_ending = stem.ends_with(kEnding);
  if (has_ending) stem.remove_suffix(kEnding.size());
  return fmt::format("{}-{}{}", stem, pm_id, has_ending ? kEnding : "");
}

std::string file_stem_of(std::string_view app_name) {
  std::string stem(app_name);
  for (char& c : stem) {
    const bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '-' || c == '\\' || static_cast<unsigned char>(c) >= 0x80;
    if (!kept) c = '-';
  }
  return stem;
}

}  // namespace pmx
