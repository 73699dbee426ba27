#include "daemon/policy/due_times.h"

#include <algorithm>
#include <utility>

namespace pmx {

using std::chrono::sys_seconds;

DueTimes::DueTimes(CronSchedule schedule, TimeZone zone, CatchUp catch_up, sys_seconds now,
                   std::optional<sys_seconds> settled)
    : schedule_(std::move(schedule)), zone_(std::move(zone)), catch_up_(catch_up) {
  settle(settled.value_or(now));
}

void DueTimes::settle(sys_seconds until) {
  settled_ = until;
  next_ = schedule_.next_after(until, zone_);
}

DueTimes::Answer DueTimes::at(sys_seconds now) {
  if (now < settled_ - kClockCorrection) {
    settle(now);
    return {};
  }
  if (!next_ || now < *next_) return {};

  const sys_seconds first = *next_;
  // Of several within the tolerance the first stands for all.
  const sys_seconds early = std::max(settled_, now - kMetWithin);
  const auto recent = schedule_.next_after(early, zone_);
  settle(now);
  if (recent && *recent <= now) return {Answer::Kind::met, *recent};
  return {catch_up_ == CatchUp::one ? Answer::Kind::make_up : Answer::Kind::missed, first};
}

}  // namespace pmx
