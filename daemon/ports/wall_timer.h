// WallTimer: wakes at a time of the wall clock, and whenever that clock is set.
#pragma once

#include <chrono>

namespace pmx {

class WallTimer {
 public:
  virtual ~WallTimer() = default;
  // Replaces what was armed before. The call that was given at the timer's making comes at `at` or
  // later, or as soon as the clock was set, once; from a turn of the event loop of its own.
  virtual void arm(std::chrono::sys_seconds at) = 0;
};

}  // namespace pmx
