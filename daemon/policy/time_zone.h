// TimeZone: what the clocks of a place show, from the bytes of a TZif file (tzfile(5), RFC 8536).
// Pure; daemon/os/zone_file reads the files. The calls are those of std::chrono::time_zone, which
// g++ 12 does not have yet.
//
// Not Debian's date library: it comes as a shared library only, and the daemon is linked statically.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pmx {

// A stretch of time with one distance from UTC: begin <= instant < end.
struct ZoneInfo {
  std::chrono::sys_seconds begin;
  std::chrono::sys_seconds end;
  std::chrono::seconds offset{0};  // local = UTC + offset
};

class TimeZone {
 public:
  // UTC.
  TimeZone() = default;
  // Throws pmx::Error (invalid_spec) that names `name` if the bytes are no time zone.
  static TimeZone parse(std::string name, std::string_view tzif);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] ZoneInfo info_at(std::chrono::sys_seconds instant) const;
  [[nodiscard]] std::chrono::local_seconds to_local(std::chrono::sys_seconds instant) const;
  // The first instant at which the clocks show `local`. If they skip it: the instant of the skip.
  [[nodiscard]] std::chrono::sys_seconds to_sys(std::chrono::local_seconds local) const;
  // "2026-03-29 03:00:00 +02:00"
  [[nodiscard]] std::string text(std::chrono::sys_seconds instant) const;

 private:
  friend class TzifReader;

  struct Transition {
    std::chrono::sys_seconds at;
    std::chrono::seconds offset;  // from then on
  };
  // A day of the year and a time of that day, in one of the three forms of POSIX's TZ.
  struct YearlyDay {
    enum class Form { julian_without_leap_day, day_of_year, weekday_of_month };
    Form form = Form::day_of_year;
    int month = 0, week = 0, day = 0;  // week 5: the last one
    std::chrono::seconds time{0};      // of local time; may be negative or past the day

    [[nodiscard]] std::chrono::local_seconds in(std::chrono::year year) const;
  };
  // What holds after the last transition of the file.
  struct Rule {
    struct Summer {
      std::chrono::seconds offset{0};
      YearlyDay begin, end;
    };
    std::chrono::seconds standard{0};
    std::optional<Summer> summer;
  };

  [[nodiscard]] ZoneInfo by_rule(std::chrono::sys_seconds instant) const;
  void add_transitions_of(std::chrono::year year, std::vector<Transition>& to) const;

  std::string name_ = "UTC";
  std::chrono::seconds before_{0};  // the first transition
  std::vector<Transition> transitions_;
  std::optional<Rule> rule_;
};

}  // namespace pmx
