// LogFile: one log file, written by the log thread only, fed straight from pipes. Keeps no bytes of
// its own: what is not in the file is still in the pipe, so the end of this process at any moment
// loses nothing.
#pragma once

#include <cstddef>
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
    int error = 0;       // errno that stopped it; EAGAIN: the target (a tty, a FIFO) is full
    bool ended = false;  // the pipe is empty and has no writer any more
  };

  explicit LogFile(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // -1 while not open.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  // Opens the file unless it is open, creating it (0640) and its directories (0700). Returns 0 or
  // errno.
  int open();
  // The next move opens the path anew.
  void close() noexcept { fd_.reset(); }

  // Appends at most `limit` bytes from the non-blocking `pipe`. The end of file is looked up before
  // every write, so a file that others truncate never gets a hole; a file deleted under us is
  // created again.
  Moved move_from(int pipe, std::size_t limit);
  // The same line by line, as `framer` has it. Bytes leave the pipe once they are written; what is
  // no whole line stays there, unless `all`, or when it fills half of the pipe. `bytes` are those of
  // the pipe.
  Moved move_lines_from(int pipe, std::size_t limit, const LineFramer& framer, bool all);

 private:
  int prepare_to_append();
  long splice_from(int pipe, std::size_t limit);
  long copy_from(int pipe, std::size_t limit);
  // What is in the pipe, without taking it out. -1 and errno: an error; empty pipe: EAGAIN.
  long peek(int pipe, std::size_t limit, std::string& bytes);
  // All of it, or 0 bytes and errno.
  bool append(std::string_view text);
  void announce() noexcept;

  std::string path_;
  UniqueFd fd_;
  bool is_regular_ = false;
  bool can_splice_ = true;
  long long end_ = 0;      // offset for the next write, regular files only
  std::string unwritten_;  // of a line that a tty or FIFO has taken half of
  UniqueFd copy_read_;     // where `tee` puts bytes for targets that cannot splice
  UniqueFd copy_write_;
};

}  // namespace pmx
