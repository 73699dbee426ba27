// LogView: what `pmx logs` does with files: the last lines of each, then what is added to them.
// Needs no daemon.
//
//   LogView view(options, stdout, stderr);
//   view.set_files(files);      // remembers where each file ends now
//   view.print_history();       // the lines before that point
//   poll(view.event_fd()) -> view.on_ready()   // and what comes after it: no gap, no repetition
#pragma once

#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/log_view/file_watcher.h"
#include "cli/log_view/followed_file.h"
#include "cli/log_view/line_printer.h"
#include "common/base/unique_fd.h"

namespace pmx {

class LogView {
 public:
  // `out` and `err` (used by raw mode only) are borrowed. Throws std::system_error.
  LogView(LogViewOptions options, std::FILE* out, std::FILE* err);
  // Prints what it still holds of unfinished lines.
  ~LogView();
  LogView(const LogView&) = delete;
  LogView& operator=(const LogView&) = delete;

  // What to show from now on; a path named twice is shown once, under its first name. The first
  // call takes each file from its present end, or from where its entry says. Later ones: new files are shown from their beginning
  // (those older than this view: their last lines), files not named any more are shown to their end
  // and dropped.
  void set_files(std::vector<LogFileEntry> files);

  // The last lines of each file, least recently written file first. Files that cannot be read are
  // named, absent ones skipped.
  void print_history();

  // In json; other formats do not show them.
  void show_events(const std::vector<LogEvent>& events);

  // Readable (poll, epoll) when `on_ready` has something to do; nothing happens and no CPU is used
  // in between.
  [[nodiscard]] int event_fd() const noexcept { return epoll_.get(); }
  // Prints what is new, a bounded amount per call. Never blocks but on the output.
  void on_ready();

 private:
  struct Item {
    LogFileEntry entry;
    FollowedFile file;
    LineState line;
    bool is_still = false;  // its unfinished line has not grown since the last slow tick
  };
  enum class Timer { off, slow, now };

  void show_new_file(Item& item);
  void show_rest(Item& item);
  void read_on(Item& item);
  void on_slow_tick();
  void arm_timer();

  LogViewOptions options_;
  LinePrinter printer_;
  FileWatcher watcher_;
  UniqueFd timer_;
  UniqueFd epoll_;
  Timer timer_state_ = Timer::off;
  timespec started_{};
  bool has_files_ = false;
  std::map<std::string, std::unique_ptr<Item>> items_;  // by path
  std::set<std::string> unfinished_;                    // paths with more to read at once
};

}  // namespace pmx
