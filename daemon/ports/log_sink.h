// LogSink: takes the output of instances from their pipes to their files. The adapter works on a
// thread of its own; calls return at once and never block on a disk. All methods are called on the
// control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/model/log_limits.h"

namespace pmx {

// How output is written. Neither a date nor JSON: byte for byte.
struct LogStyle {
  std::string date_format;    // before each line (date_pattern.h)
  bool json = false;          // each line is an object
  std::string app_name;       // in it
  std::string combined = {};  // a file that both streams are written to as well; empty: none
  LogLimits limits = {};      // `interval` is not the sink's

  // Byte for byte, and no other file has to have the same.
  [[nodiscard]] bool is_raw() const { return date_format.empty() && !json && combined.empty(); }
  friend bool operator==(const LogStyle&, const LogStyle&) = default;
};

class LogSink {
 public:
  using Done = std::function<void()>;  // runs on the control thread

  virtual ~LogSink() = default;

  // From now on copies what arrives on the two pipes (read ends, any blocking mode; given away) to
  // the two files, which are created (with their directories) and appended to. Equal paths, here or
  // in several instances, share one file. "/dev/null" discards. An unwritable file is reported
  // through the daemon's log, its bytes wait in the pipe and it is tried again.
  // With another style than raw, what is no whole line yet stays in the pipe; a line longer than
  // 128 KiB is cut.
  virtual void attach(int pm_id, UniqueFd out, UniqueFd error, const std::string& out_path,
                      const std::string& error_path, const LogStyle& style) = 0;

  // A run has ended: what it has left without a line break is a line.
  virtual void end_line(int pm_id) = 0;

  // Moves everything still in the pipes to the files, closes both and calls `done`. Unknown ids:
  // `done` only.
  virtual void detach(int pm_id, Done done) = 0;

  // Calls `done` once all that was in the pipes of `pm_id` at the time of the call is in the files.
  virtual void drain(int pm_id, Done done) = 0;

  // Where the file ends now; 0 if it cannot be read.
  virtual void end_of(const std::string& path, std::function<void(std::uint64_t)> done) = 0;

  // What the file holds from `offset` on, of that at most the last `limit` bytes. Empty if it cannot
  // be read.
  virtual void read(const std::string& path, std::uint64_t offset, std::size_t limit,
                    std::function<void(std::string)> done) = 0;

  // Empties these files in place (also ones not open).
  virtual void truncate(std::vector<std::string> paths, Done done) = 0;

  // Puts these files aside, as if they had reached their size, and begins new ones. Empty ones stay.
  virtual void rotate(std::vector<std::string> paths) = 0;

  // Closes and opens every file again (after an external rotation).
  virtual void reopen(Done done) = 0;
};

}  // namespace pmx
