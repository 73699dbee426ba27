// JobSpec: an app whose process is meant to end: once, or at the times of a schedule.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace pmx {

// A time comes while a run is going on.
enum class Overlap {
  skip,     // it is left out
  queue,    // it starts when the run has ended; one waits at most
  replace,  // the run is stopped, then it starts
};
std::string_view to_string(Overlap overlap) noexcept;  // by these names
std::optional<Overlap> overlap_from(std::string_view) noexcept;

// Of the times that were missed while the machine or the daemon was away.
enum class CatchUp {
  none,
  one,  // one run makes up for all
};
std::string_view to_string(CatchUp catch_up) noexcept;  // by these names
std::optional<CatchUp> catch_up_from(std::string_view) noexcept;

struct JobSpec {
  std::string schedule;  // 5 or 6 fields, in AppSpec::time_zone; empty: one run, when it is started
  Overlap overlap = Overlap::skip;
  CatchUp catch_up = CatchUp::none;
  std::chrono::milliseconds timeout{0};  // of a run, after which it is stopped; 0: none
  int retries = 0;                       // of a failed run
  std::chrono::milliseconds retry_delay{1000};

  friend bool operator==(const JobSpec&, const JobSpec&) = default;
};

}  // namespace pmx
