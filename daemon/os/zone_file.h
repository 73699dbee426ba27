// The files of time zones (tzdata), by name; daemon/policy/time_zone makes sense of the bytes.
#pragma once

#include <optional>
#include <string>

namespace pmx {

inline constexpr const char* kZoneDirectory = "/usr/share/zoneinfo";

// "Europe/Berlin". Throws pmx::Error (invalid_spec) if there is no such zone here.
std::string read_zone_file(const std::string& name, const std::string& directory = kZoneDirectory);

// The machine's own zone: what TZ names, else /etc/localtime; nullopt: neither, which is UTC.
std::optional<std::string> read_local_zone_file();

}  // namespace pmx
