// Terminal: the screen and the keys, by ncurses. The only file that knows ncurses.
#pragma once

#include <memory>
#include <optional>

#include "cli/monit/input.h"
#include "cli/monit/picture.h"

namespace pmx::cli::monit {

class Terminal {
 public:
  // Takes the terminal of stdin and stdout over. Throws Error if they are none, or one that cannot
  // place its cursor. There is one at a time; SIGINT, SIGTERM, SIGHUP, SIGWINCH and SIGTSTP must be
  // blocked: ncurses would handle them by itself.
  explicit Terminal(bool with_colours);
  // The terminal as it was, also if the process ends by a fault (SIGSEGV, abort, ...).
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  [[nodiscard]] Size size() const;
  void show(const Picture& picture);
  // Nullopt: nothing more at the moment.
  std::optional<Input> next_input();

  // After SIGWINCH.
  void take_new_size();
  // The terminal as it was, and the process stopped, until it is continued.
  void suspend();

 private:
  struct Screen;
  std::unique_ptr<Screen> screen_;
};

}  // namespace pmx::cli::monit
