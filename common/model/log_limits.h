// LogLimits: how big the log files of an app get, and what becomes of output that has no room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pmx {

// What becomes of output while its file cannot be written.
enum class LogWhenFull {
  wait,  // it stays in the pipe; once that is full the app waits in its write()
  drop,  // what the pipe cannot hold is dropped, and counted
};

std::string_view to_string(LogWhenFull what) noexcept;  // by these names
std::optional<LogWhenFull> log_when_full_from(std::string_view) noexcept;

struct LogLimits {
  static constexpr int kDefaultRetain = 30;  // as pm2-logrotate

  std::uint64_t max_size = 0;   // bytes: a bigger file is put aside and a new one begun; 0: never
  std::string interval;         // the same at these times (5 or 6 fields); empty: never
  int retain = kDefaultRetain;  // how many of those put aside are kept, of each file
  bool compress = false;        // gzip
  LogWhenFull when_full = LogWhenFull::wait;

  friend bool operator==(const LogLimits&, const LogLimits&) = default;
};

}  // namespace pmx
