// Durations as people read them, for reasons.
#pragma once

#include <string>

#include "common/base/clock.h"
#include "common/model/app_spec.h"

namespace pmx {

// Rounded down: "40 ms", "0.4 s", "12 s", "3 min", "5 h", "8 d". Negative durations read "0 ms".
std::string about(Duration duration);

// Exact: "150 ms", "3000 ms". For configured values, so that they can be found in the configuration
// again.
std::string exactly(Millis duration);

}  // namespace pmx
