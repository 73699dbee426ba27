// Time as a port: policy is given time points, effects ask a Clock. Only SystemClock (daemon/os)
// reads the machine's.
#pragma once

#include <chrono>
#include <cstdint>

namespace pmx {

using Duration = std::chrono::nanoseconds;
// Monotonic: for every duration, timeout and back-off.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;
// Wall clock in milliseconds since 1970: for display and records only.
using WallMillis = std::int64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual TimePoint now() const = 0;
  [[nodiscard]] virtual WallMillis wall_now() const = 0;
};

}  // namespace pmx
