// AppWatch: when an app is restarted because its files have changed. Decides and keeps time; the
// supervisor restarts.
//
// Patterns of ignore_watch are relative to the app's cwd, for a path outside of it to that path. A
// path that is watched by the user's wish is not ignored itself.
#pragma once

#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/policy/debounce.h"
#include "daemon/policy/ignore_patterns.h"
#include "daemon/runtime/ports.h"

namespace pmx {

class AppWatch {
 public:
  struct Actions {
    // What was started after `changed_at` has seen the change. False: not now; resume() follows.
    std::function<bool(const std::string& why, TimePoint changed_at)> restart;
    // Log files and the like, as they are now: absolute paths.
    std::function<std::vector<std::string>()> own_files;
    std::function<void()> state_changed;           // of begun() or problem()
    std::function<void(const std::string&)> warn;  // one line in the daemon's log
  };

  // Begins at once.
  AppWatch(const Ports& ports, const AppSpec& spec, Actions actions);
  ~AppWatch();
  AppWatch(const AppWatch&) = delete;
  AppWatch& operator=(const AppWatch&) = delete;

  // Whether it does what this one asks for.
  [[nodiscard]] bool fits(const AppSpec& spec) const;
  // Changes from now on are seen, as far as possible. Soon true, also if a disk does not answer.
  [[nodiscard]] bool begun() const noexcept { return left_to_begin_ == 0; }
  // What is not watched, why and what to do, or what became of the last change; or empty.
  [[nodiscard]] std::string problem() const;
  // What was put off may be done now.
  void resume();
  // The last change could not be put to use. Until the next one.
  void failed(const std::string& why);

 private:
  struct Path {
    std::string path;   // absolute
    std::string shown;  // as in reasons: relative to cwd if below it; "" is cwd
    std::string problem;
    std::unique_ptr<FileWatch::Watch> watch;
  };

  void watch(Path& path);
  void changed(const Path& path, const std::string& below);
  void arm();
  void on_time();
  void set_begun();

  const Ports& ports_;
  AppSpec wish_;  // only the settings of the watch
  Actions actions_;
  std::vector<std::string> pattern_problems_;
  std::string failure_;
  std::vector<Path> paths_;
  std::size_t left_to_begin_ = 0;
  Debounce debounce_;
  TimePoint last_change_{};
  bool put_off_ = false;
  asio::steady_timer rest_timer_;
  asio::steady_timer patience_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmx
