#include "daemon/policy/start_rate.h"

#include <algorithm>

namespace pmx {

StartRate::StartRate(int burst, Millis interval)
    : interval_(interval), allowance_(interval * std::max(0, burst - 1)), next_(TimePoint::min()) {}

Duration StartRate::wait_for_next(TimePoint now) {
  const TimePoint place = std::max(next_, now - allowance_);
  next_ = place + interval_;
  return std::max(Duration{0}, place - now);
}

}  // namespace pmx
