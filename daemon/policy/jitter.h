// Chance that is the same each time it is asked: daemons before and after a restart agree, and tests
// know the answer.
#pragma once

#include <cstdint>

namespace pmx {

// 0 <= result < 1, spread evenly over instances (`seed`) and repetitions (`step`). (splitmix64)
constexpr double jitter(std::uint64_t seed, std::uint64_t step) noexcept {
  std::uint64_t mixed = seed * 0x9e3779b97f4a7c15U + step + 0x9e3779b97f4a7c15U;
  for (int round = 0; round < 2; ++round) {
    mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
    mixed ^= mixed >> 31U;
  }
  return static_cast<double>(mixed >> 11U) * 0x1.0p-53;
}

}  // namespace pmx
