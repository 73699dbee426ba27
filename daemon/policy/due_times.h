// DueTimes: which times of a schedule are due now, however the wall clock moves. Pure; for
// cron_restart and for jobs.
//
// The clock may jump, the machine may sleep, and the daemon may have been away. Times up to
// `settled` are dealt with for good, so that none is due twice; and however many have passed since,
// at most one is due.
#pragma once

#include <chrono>
#include <optional>

#include "common/model/job.h"
#include "daemon/policy/cron_schedule.h"
#include "daemon/policy/time_zone.h"

namespace pmx {

// A time is met, not missed, if it is noticed within this.
inline constexpr std::chrono::seconds kMetWithin{60};
// A clock set back by less repeats times, and they are not run again. By more: it was wrong before.
inline constexpr std::chrono::hours kClockCorrection{3};

class DueTimes {
 public:
  struct Answer {
    enum class Kind {
      nothing,
      met,      // `time` is due
      make_up,  // it was missed, as perhaps more since; one run makes up for all
      missed,   // the same, and nothing is to be done
    };
    Kind kind = Kind::nothing;
    std::chrono::sys_seconds time = {};
  };

  // Nothing is due at once, unless times were missed since `settled`, as kept by a daemon before.
  DueTimes(CronSchedule schedule, TimeZone zone, CatchUp catch_up, std::chrono::sys_seconds now,
           std::optional<std::chrono::sys_seconds> settled = {});

  // To be asked at next(), and when the wall clock was set. Earlier or later does no harm.
  Answer at(std::chrono::sys_seconds now);
  // nullopt: never again.
  [[nodiscard]] std::optional<std::chrono::sys_seconds> next() const noexcept { return next_; }
  [[nodiscard]] const TimeZone& zone() const noexcept { return zone_; }
  // To be kept for the next daemon.
  [[nodiscard]] std::chrono::sys_seconds settled() const noexcept { return settled_; }

 private:
  void settle(std::chrono::sys_seconds until);

  CronSchedule schedule_;
  TimeZone zone_;
  CatchUp catch_up_;
  std::chrono::sys_seconds settled_;
  std::optional<std::chrono::sys_seconds> next_;
};

}  // namespace pmx
