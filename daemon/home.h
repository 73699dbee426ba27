// Home: the files by which the daemon is found: its lock, socket, log and drain script. Knows when
// they have been taken away and makes them again.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/config/paths.h"
#include "common/sys/file.h"
#include "common/sys/flock.h"

namespace pmx {

class Home {
 public:
  // Takes the lock (pmx.pid) and writes the drain script. Throws Error(already_running).
  explicit Home(Paths paths);

  // Listens on the socket: non-blocking; members of `group` may connect, too. Throws
  // std::system_error.
  UniqueFd listen(std::optional<gid_t> group);

  // A file that Node can load; "" if it could not be written (`drain_script_error` says why; reloads
  // then cut busy keep-alive connections).
  [[nodiscard]] const std::string& drain_script() const noexcept { return drain_script_; }
  [[nodiscard]] const std::string& drain_script_error() const noexcept {
    return drain_script_error_;
  }

  // Entries of the home whose loss matters, for a watch.
  [[nodiscard]] std::set<std::string> names() const;
  // Those of them that are gone, or are another file than ours. "" stands for the home itself.
  [[nodiscard]] std::vector<std::string> missing() const;
  // False: the lock is not ours (any more).
  [[nodiscard]] bool has_lock() const;
  [[nodiscard]] bool has_socket() const;
  // False: another daemon has taken it meanwhile. Throws std::system_error.
  bool take_lock();
  // Directories, log and drain script; not the socket. Throws Error or std::system_error.
  void make_again();

  // Whether our own log is pmx.log, and has grown so much that it should be shortened.
  [[nodiscard]] bool log_is_long() const;
  // Moves what is in the log at `path` to `path`.1. On any thread; blocks on the disk. Returns 0 or
  // errno: the log is empty all the same, there was no room for a copy.
  static int shorten_log(const std::string& path);

  // Removes the socket and the pid file, or only the former, for the next daemon.
  void leave();
  void hand_over();

 private:
  void write_drain_script();
  [[nodiscard]] bool log_is_lost() const;

  Paths paths_;
  std::optional<sys::FileLock> lock_;
  std::optional<sys::FileId> socket_;
  bool writes_log_ = false;  // our stderr is pmx.log, not a terminal or a pipe
  std::string drain_script_;
  std::string drain_script_error_;
};

}  // namespace pmx
