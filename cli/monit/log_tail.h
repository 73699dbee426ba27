// LogTail: reads the log files of one instance into LogLines: their last lines, then what is added.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/log_view/file_watcher.h"
#include "cli/log_view/followed_file.h"
#include "cli/monit/log_lines.h"

namespace pmx::cli::monit {

class LogTail {
 public:
  explicit LogTail(LogLines& lines) : lines_(lines) {}

  // The files of an instance; empty paths: none. The same as before: nothing happens.
  void set_files(int pm_id, const std::string& out_path, const std::string& error_path);

  // For poll(2): readable when on_ready() has something to do; -1: the caller's ticks are all.
  [[nodiscard]] int fd() const { return watcher_.fd(); }
  // Reads what is new, a bounded amount. A file that grows faster than it is read loses its middle:
  // a line says so.
  void on_ready();
  // Once in a second or so: shows lines without an end, looks after files that cannot be watched.
  void tick();

 private:
  struct File {
    LogStream stream;
    std::string path;
    FollowedFile file;
    std::string unfinished;
    bool is_still = false;  // it has not grown since the last tick
    bool has_more = false;  // to be read at the next
  };

  void open(LogStream stream, const std::string& path);
  void begin(File& file);
  void read(File& file);
  void take(File& file, std::string_view bytes);
  void flush(File& file);

  LogLines& lines_;
  FileWatcher watcher_;
  int pm_id_ = -1;
  std::string out_path_;
  std::string error_path_;
  std::vector<std::unique_ptr<File>> files_;
};

}  // namespace pmx::cli::monit
