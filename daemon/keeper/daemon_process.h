// The daemon as the keeper's child: how it is started and how soon again.
#pragma once

#include <sys/types.h>

namespace pmx::keeper {

class DaemonProcess {
 public:
  // Paths are absolute and outlive this. `ready_fd` (or -1) is taken over: the first daemon gets
  // it.
  DaemonProcess(const char* path, const char* home, int ready_fd) noexcept
      : path_(path), home_(home), ready_fd_(ready_fd) {}

  // Raises the soft limit of open files for the keeper and remembers the old one for the daemon's
  // environment (kNofileVariable). Call once, before anything else.
  void raise_file_limit() noexcept;

  // Starts the daemon. Returns our end of the link, the caller's, or -1 (logged).
  [[nodiscard]] int start() noexcept;

  // 0: there is none.
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  // Its child was reaped.
  void mark_ended() noexcept { pid_ = 0; }

  // How long to wait before the next start: 0, 100 ms, doubling to 5 s, until marked as ready.
  [[nodiscard]] int take_delay_ms() noexcept;
  void mark_ready() noexcept { next_delay_ms_ = 0; }

 private:
  void set_file_limit(bool is_full) const noexcept;
  [[noreturn]] void run(int link) const noexcept;

  const char* path_;
  const char* home_;
  int ready_fd_;
  pid_t pid_ = 0;
  int next_delay_ms_ = 0;
};

}  // namespace pmx::keeper
