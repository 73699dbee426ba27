// StartRate: spreads the starts of many apps that crash together. Pure (a token bucket).
#pragma once

#include "common/base/clock.h"
#include "common/model/app_spec.h"

namespace pmx {

class StartRate {
 public:
  // `burst` starts at once, and then one in each `interval`. 0 ms: no limit.
  StartRate(int burst, Millis interval);

  // For one start: how long it must wait from `now` on, often 0. The place is taken, in the order of
  // the calls, also if the start does not happen in the end.
  Duration wait_for_next(TimePoint now);

 private:
  Millis interval_;
  Duration allowance_;  // what a full bucket has saved up
  TimePoint next_;      // the place of the next start if the bucket were empty
};

}  // namespace pmx
