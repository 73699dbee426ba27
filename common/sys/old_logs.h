// Names of the files that a log file is put aside to, as pm2-logrotate has them:
// "api-out__2026-11-28_03-04-05.log", "_001" behind the time for a second one in the same second,
// ".gz" at the end of compressed ones. Sorted by name they are sorted by age.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace pmx::sys {

inline constexpr std::string_view kCompressedEnding = ".gz";

// `number`: 0 for the first one of that second (local time).
std::string old_log_path(const std::string& path, std::chrono::system_clock::time_point time,
                         int number);
// Those that exist of `path`, oldest first; none if the directory cannot be read.
std::vector<std::string> old_logs_of(const std::string& path);

}  // namespace pmx::sys
