#include "daemon/os/zone_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "common/base/error.h"
#include "common/sys/file.h"

namespace pmx {
namespace {

// The name becomes a path: it must not lead anywhere else.
bool is_zone_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("/_+-").find(c) != std::string_view::npos;
  };
  return !name.empty() && name.front() != '/' && name.back() != '/' &&
         std::ranges::all_of(name, allowed);
}

}  // namespace

std::string read_zone_file(const std::string& name, const std::string& directory) {
  if (!is_zone_name(name)) {
    throw Error(ErrorCode::invalid_spec, fmt::format("'{}' is not the name of a time zone", name),
                "write it as Europe/Berlin or UTC");
  }
  std::string why = "there is no such file";
  try {
    auto bytes = sys::read_file(directory + "/" + name);
    if (bytes) return *bytes;
  } catch (const std::system_error& error) {  // a directory: "Europe"
    why = error.code().message();
  }
  throw Error(
      ErrorCode::invalid_spec,
      fmt::format("time zone {} is unknown here: {}/{}: {}", name, directory, name, why),
      "check the name with: timedatectl list-timezones; zones come with the package tzdata");
}

std::optional<std::string> read_local_zone_file() {
  if (const char* const value = std::getenv("TZ"); value != nullptr) {
    std::string_view name = value;
    if (name.starts_with(':')) name.remove_prefix(1);
    if (name.empty()) return std::nullopt;
    const std::string prefix = std::string(kZoneDirectory) + "/";
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
    return read_zone_file(std::string(name));
  }
  return sys::read_file("/etc/localtime");
}

}  // namespace pmx
