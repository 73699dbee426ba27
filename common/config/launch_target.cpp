#include "common/config/launch_target.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "common/base/error.h"
#include "common/config/package_json.h"

namespace pmx {
namespace {

namespace fs = std::filesystem;

std::string parent_of(const std::string& path) { return fs::path(path).parent_path().string(); }

LaunchTarget readable_file(const std::string& path) {
  if (::access(path.c_str(), R_OK) != 0 && ::access(path.c_str(), X_OK) != 0) {
    throw Error(ErrorCode::invalid_spec,
                fmt::format("cannot read {}: {}", path, std::strerror(errno)),
                "look at its permissions, and those of the directories above it");
  }
  return {path, false, parent_of(path)};
}

}  // namespace

bool has_blank(std::string_view text) noexcept {
  return text.find_first_of(" \t\n") != std::string_view::npos;
}

LaunchTarget resolve_target(const std::string& target, const std::string& cwd,
                            const std::string& home_dir, bool may_be_shell,
                            const ExecutableSearch& search) {
  if (target.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw Error(ErrorCode::invalid_spec, "no script is given",
                "name a script, a program or a command");
  }
  const std::string path = absolute_path(target, cwd, home_dir);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  const bool is_directory = fs::is_directory(status);
  if (is_directory) {
    if (const auto entry = package_entry(path)) return readable_file(*entry);
  } else if (fs::is_regular_file(status)) {
    return readable_file(path);
  } else if (fs::exists(status)) {
    throw Error(ErrorCode::invalid_spec, fmt::format("{} is neither a file nor a directory", path));
  } else if (status.type() == fs::file_type::none) {
    throw Error(ErrorCode::invalid_spec,
                fmt::format("cannot look at {}: {}", path, error.message()));
  }
  if (!is_directory && may_be_shell && has_blank(target)) return {target, true, cwd};
  const bool is_word = target.find('/') == std::string::npos;
  if (is_word) {
    if (const auto program = search.find(target)) return {*program, false, parent_of(*program)};
  }
  if (is_directory) {
    throw Error(ErrorCode::invalid_spec,
                fmt::format("{} is a directory without a package.json \"main\" or index.js", path),
                "name the script in it");
  }
  throw Error(ErrorCode::invalid_spec,
              fmt::format("{} does not exist{}", path,
                          is_word ? fmt::format(", and no program \"{}\" is on PATH", target) : ""),
              "look at the path and --cwd; a shell command needs quotes: \"npm start\"");
}

}  // namespace pmx
