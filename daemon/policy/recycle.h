// Recycling: instances are replaced by fresh ones after max_uptime, never two at a time. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/clock.h"
#include "common/model/app_spec.h"

namespace pmx {

// Each run is recycled so much earlier, by chance, that instances which started together part.
inline constexpr double kRecycleSpread = 0.1;

struct RecycleCandidate {
  std::uint64_t id = 0;   // of the instance
  std::uint64_t run = 0;  // which of its runs this is
  TimePoint started_at;
  bool ready = false;  // serves; not starting, stopping, being reloaded or waiting for a restart

  friend bool operator==(const RecycleCandidate&, const RecycleCandidate&) = default;
};

// When a run has had its time: between 0.9 and 1.0 of `max_uptime` after its start.
TimePoint recycle_due(Millis max_uptime, const RecycleCandidate& candidate);

struct RecycleDecision {
  std::optional<std::uint64_t> recycle;  // this instance, now
  std::optional<TimePoint> ask_again;    // nullopt: when an instance has become ready
};

// `app`: all instances of one app that are meant to run. While one of them is not ready none is
// recycled.
RecycleDecision decide_recycle(Millis max_uptime, const std::vector<RecycleCandidate>& app,
                               TimePoint now);

}  // namespace pmx
