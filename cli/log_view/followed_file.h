// FollowedFile: reads one growing file by name: its last lines, what is added, and on over
// truncation and rotation.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/unique_fd.h"

namespace pmx {

class FollowedFile {
 public:
  using Bytes = std::function<void(std::string_view)>;

  explicit FollowedFile(std::string path) : path_(std::move(path)) {}

  // Opens it at its beginning. Returns 0 or errno; ENOENT also for what is not a regular file.
  int open();
  [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(fd_); }

  // 0 if it is not open.
  [[nodiscard]] off_t size() const;
  [[nodiscard]] timespec modified_at() const;
  // Whether it was created before, or after, `time`; false if the file system does not know.
  [[nodiscard]] bool is_older_than(const timespec& time) const;
  [[nodiscard]] bool is_younger_than(const timespec& time) const;

  [[nodiscard]] off_t position() const noexcept { return position_; }
  void seek(off_t position) noexcept { position_ = position; }

  // Where the last `lines` lines before `end` begin; an unfinished one counts. Reads backwards, as
  // far as needed.
  [[nodiscard]] off_t start_of_last_lines(off_t end, std::size_t lines) const;
  void read_range(off_t begin, off_t end, const Bytes& bytes) const;

  // Gives what is new, about `limit` bytes at most; returns whether there is more. A file that
  // became shorter, or another file under the name, is read from its beginning; `restart` is called
  // before that. The old file of a rotation is read until the new one has content: a writer goes on
  // with the old one until it is told. What was put aside meanwhile (old_logs.h) is read in between.
  bool follow(std::size_t limit, const Bytes& bytes, const std::function<void()>& restart);

 private:
  bool is_replaced() const;
  void read_skipped(bool until_ours, const Bytes& bytes, const std::function<void()>& restart);

  std::string path_;
  UniqueFd fd_;
  off_t position_ = 0;
  std::string newest_old_;  // of those that were put aside before it was opened, without ".gz"
};

}  // namespace pmx
