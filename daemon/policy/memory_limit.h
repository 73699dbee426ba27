// When to look next at the memory of an app with max_memory_restart. Pure.
#pragma once

#include <cstdint>

#include "common/model/app_spec.h"

namespace pmx {

inline constexpr Millis kShortestMemoryLook{500};
inline constexpr Millis kLongestMemoryLook{30'000};  // as pm2
// Leaks quicker than this, in bytes per second, are noticed late: as late as they are quicker.
inline constexpr std::uint64_t kQuickestLeak = 200'000'000;

// After `used` bytes of `limit` (not 0) were seen.
constexpr Millis next_memory_look(std::uint64_t used, std::uint64_t limit) {
  if (used >= limit) return kShortestMemoryLook;
  const Millis until_limit{(limit - used) * 1000 / kQuickestLeak};
  return until_limit < kShortestMemoryLook  ? kShortestMemoryLook
         : until_limit > kLongestMemoryLook ? kLongestMemoryLook
                                            : until_limit;
}

}  // namespace pmx
