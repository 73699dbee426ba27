// LogFile: one log file, written by the log thread only, fed straight from pipes. Keeps no bytes of
// its own: what is not in the file is still in the pipe, so the end of this process at any moment
// loses nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/unique_fd.h"
#include "daemon/os/line_framer.h"

namespace pmx {

// Bytes waiting in a pipe.
std::size_t bytes_in_pipe(int pipe) noexcept;

class LogFile {
 public:
  struct Moved {
    std::size_t bytes = 0;
    int error = 0;         // errno that stopped it; EAGAIN: the target (a tty, a FIFO) is full
    bool ended = false;    // the pipe is empty and has no writer any more
    bool of_copy = false;  // `error` is that of the copy
  };
  // A second file for the same lines. `ahead`: so many bytes at the front of the pipe it has already.
  struct Copy {
    LogFile& file;
    std::size_t& ahead;
  };

  explicit LogFile(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // -1 while not open.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  // Opens the file unless it is open, creating it (0640) and its directories (0700). Returns 0 or
  // errno.
  int open();
  // The next move opens the path anew.
  void close() noexcept {
    fd_.reset();
    due_from_.reset();
  }

  // Appends at most `limit` bytes from the non-blocking `pipe`. The end of file is looked up before
  // every write, so a file that others truncate never gets a hole; a file deleted under us is
  // created again.
  Moved move_from(int pipe, std::size_t limit);
  // The same line by line, as `framer` has it. Bytes leave the pipe once they are written; what is
  // no whole line stays there, unless `all`, or when it fills half of the pipe. `bytes` are those of
  // the pipe. `copy`, if any, gets the same, first.
  Moved move_lines_from(int pipe, std::size_t limit, const LineFramer& framer, bool all,
                        Copy* copy = nullptr);

  // A regular file that has grown to so many bytes is put aside (old_logs.h) at the next end of a
  // line, and a new one begun with the same rights; by at most a MiB more if no line ends. 0: never.
  void set_max_size(std::uint64_t bytes) noexcept { max_size_ = bytes; }
  // The same now, whatever its size; an empty file stays.
  void put_aside();
  // Whether a file was put aside since the last call.
  [[nodiscard]] bool take_put_aside() noexcept { return std::exchange(was_put_aside_, false); }
  // Why one could not be, since the last call; or empty.
  [[nodiscard]] std::string take_complaint() { return std::exchange(complaint_, {}); }
  // What comes next is the beginning of a line, also if bytes before it were lost.
  void begin_line() noexcept { must_begin_line_ = true; }

 private:
  int prepare_to_append();
  long splice_from(int pipe, std::size_t limit);
  long copy_from(int pipe, std::size_t limit);
  // What is in the pipe, without taking it out. -1 and errno: an error; empty pipe: EAGAIN.
  long peek(int pipe, std::size_t limit, std::string& bytes);
  // All of it, or 0 bytes and errno.
  bool append(std::string_view text);
  // The same with all that comes before: whole lines. 0 or errno.
  int append_lines(std::string_view text);
  // What a file that was full is left with.
  int finish_unwritten();
  // From this size on it is to be put aside.
  [[nodiscard]] std::uint64_t due_size() const noexcept;
  [[nodiscard]] bool is_due() const noexcept;
  [[nodiscard]] bool ends_line() const;
  // How much of the pipe belongs to the line that the file ends with, at most `limit`.
  std::size_t rest_of_line(int pipe, std::size_t limit);
  void put_aside_now();
  void announce() noexcept;

  std::string path_;
  UniqueFd fd_;
  bool is_regular_ = false;
  bool can_splice_ = true;
  long long end_ = 0;  // offset for the next write, regular files only
  std::uint64_t max_size_ = 0;
  std::optional<std::uint64_t> due_from_;  // size from which it was to be put aside, once asked for
  std::uint64_t not_before_ = 0;           // it could not be put aside: not again below this size
  bool was_put_aside_ = false;
  std::chrono::sys_seconds aside_at_{};  // the last one
  int next_aside_ = 0;                   // its number, if it is of the same second
  bool must_begin_line_ = false;
  std::string complaint_;
  std::string unwritten_;  // of a line that a tty or FIFO has taken half of
  UniqueFd copy_read_;     // where `tee` puts bytes for targets that cannot splice
  UniqueFd copy_write_;
};

}  // namespace pmx
