#include "daemon/policy/time_zone.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "common/base/error.h"

namespace pmx {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::local_seconds;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using std::chrono::year;

namespace {

// No place is further from UTC.
constexpr hours kMaxOffset{26};

}  // namespace

// Reads the 64-bit block of a file and the TZ text behind it. Every read is checked: the file may be
// anything.
class TzifReader {
 public:
  TzifReader(std::string name, std::string_view bytes) : bytes_(bytes) {
    zone_.name_ = std::move(name);
  }

  TimeZone read() {
    const Header old_block = header();
    if (old_block.version < '2') fail("its format is that of before 2005");
    skip(block_size(old_block, 4));
    const Header block = header();
    // Such a file ("right/...") counts seconds in another way than the system's clock.
    if (block.leap_seconds != 0) fail("it counts leap seconds");
    transitions(block);
    footer();
    return std::move(zone_);
  }

 private:
  struct Header {
    char version = 0;
    std::size_t utc_marks = 0, standard_marks = 0, leap_seconds = 0, times = 0, types = 0,
                characters = 0;
  };

  [[noreturn]] void fail(std::string_view why) const {
    throw Error(ErrorCode::invalid_spec,
                fmt::format("time zone {}: the file cannot be used: {}", zone_.name_, why),
                "install Debian's tzdata again, or name another zone");
  }

  std::string_view take(std::size_t count) {
    if (count > bytes_.size()) fail("it ends too early");
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  void skip(std::size_t count) { take(count); }

  static std::int64_t big_endian(std::string_view bytes) {
    std::uint64_t value = (static_cast<unsigned char>(bytes[0]) & 0x80U) != 0 ? ~0ULL : 0;
    for (const char byte : bytes) value = value << 8U | static_cast<unsigned char>(byte);
    return static_cast<std::int64_t>(value);
  }
  std::size_t count() {
    const std::int64_t value = big_endian(take(4));
    if (value < 0 || value > 100'000) fail("a count in it is impossible");
    return static_cast<std::size_t>(value);
  }

  Header header() {
    if (take(4) != "TZif") fail("it is no TZif file");
    Header header;
    header.version = take(1)[0];
    skip(15);
    header.utc_marks = count();
    header.standard_marks = count();
    header.leap_seconds = count();
    header.times = count();
    header.types = count();
    header.characters = count();
    return header;
  }

  static std::size_t block_size(const Header& header, std::size_t time_size) {
    return header.times * (time_size + 1) + header.types * 6 + header.characters +
           header.leap_seconds * (time_size + 4) + header.standard_marks + header.utc_marks;
  }

  void transitions(const Header& header) {
    if (header.types == 0) fail("it has no local time");
    const std::string_view times = take(header.times * 8);
    const std::string_view indexes = take(header.times);
    const std::string_view types = take(header.types * 6);
    skip(header.characters + header.standard_marks + header.utc_marks);

    const auto offset = [&](std::size_t type) {
      if (type >= header.types) fail("a local time in it does not exist");
      return checked(seconds{big_endian(types.substr(type * 6, 4))});
    };
    zone_.before_ = offset(0);
    for (std::size_t i = 0; i < header.times; ++i) {
      const sys_seconds at{seconds{big_endian(times.substr(i * 8, 8))}};
      // Some files begin with a time before the universe: arithmetic on it would overflow.
      if (at < sys_days{year{-9999} / 1 / 1}) {
        zone_.before_ = offset(static_cast<unsigned char>(indexes[i]));
        continue;
      }
      if (at > sys_days{year{9999} / 1 / 1}) break;
      if (!zone_.transitions_.empty() && at <= zone_.transitions_.back().at) {
        fail("its times are out of order");
      }
      zone_.transitions_.push_back({at, offset(static_cast<unsigned char>(indexes[i]))});
    }
  }

  [[nodiscard]] seconds checked(seconds offset) const {
    if (offset > kMaxOffset || offset < -kMaxOffset) fail("a distance from UTC is impossible");
    return offset;
  }

  // "\nCET-1CEST,M3.5.0,M10.5.0/3\n"; empty between the line feeds: no rule is known.
  void footer() {
    if (take(1) != "\n") fail("its last line is missing");
    const std::size_t end = bytes_.find('\n');
    if (end == std::string_view::npos) fail("its last line is cut");
    bytes_ = bytes_.substr(0, end);
    if (bytes_.empty()) return;
    TimeZone::Rule rule;
    zone_abbreviation();
    rule.standard = checked(-clock_time());
    if (!bytes_.empty()) {
      zone_abbreviation();
      TimeZone::Rule::Summer summer;
      const bool given = !bytes_.empty() && bytes_[0] != ',';
      summer.offset = given ? checked(-clock_time()) : rule.standard + hours{1};
      summer.begin = yearly_day();
      summer.end = yearly_day();
      rule.summer = summer;
    }
    if (!bytes_.empty()) fail("its last line is no TZ text");
    zone_.rule_ = rule;
  }

  void zone_abbreviation() {
    std::size_t length = 0;
    if (!bytes_.empty() && bytes_[0] == '<') {
      length = bytes_.find('>');
      if (length == std::string_view::npos) fail("its last line is no TZ text");
      ++length;
    } else {
      while (length < bytes_.size() && is_letter(bytes_[length])) ++length;
    }
    if (length == 0) fail("its last line is no TZ text");
    skip(length);
  }
  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

  bool take_if(char expected) {
    if (bytes_.empty() || bytes_[0] != expected) return false;
    skip(1);
    return true;
  }
  int number(int most) {
    int value = 0;
    std::size_t digits = 0;
    while (digits < bytes_.size() && bytes_[digits] >= '0' && bytes_[digits] <= '9' && digits < 4) {
      value = value * 10 + (bytes_[digits++] - '0');
    }
    if (digits == 0 || value > most) fail("its last line is no TZ text");
    skip(digits);
    return value;
  }
  // [+-]hh[:mm[:ss]]
  seconds clock_time() {
    const bool negative = take_if('-');
    if (!negative) take_if('+');
    seconds time = hours{number(167)};
    if (take_if(':')) time += std::chrono::minutes{number(59)};
    if (take_if(':')) time += seconds{number(59)};
    return negative ? -time : time;
  }
  TimeZone::YearlyDay yearly_day() {
    using Form = TimeZone::YearlyDay::Form;
    if (!take_if(',')) fail("its last line is no TZ text");
    TimeZone::YearlyDay when;
    if (take_if('M')) {
      when.form = Form::weekday_of_month;
      when.month = number(12);
      if (!take_if('.')) fail("its last line is no TZ text");
      when.week = number(5);
      if (!take_if('.')) fail("its last line is no TZ text");
      when.day = number(6);
      if (when.month == 0 || when.week == 0) fail("its last line is no TZ text");
    } else {
      when.form = take_if('J') ? Form::julian_without_leap_day : Form::day_of_year;
      when.day = number(365);
    }
    when.time = take_if('/') ? clock_time() : seconds{hours{2}};
    return when;
  }

  std::string_view bytes_;
  TimeZone zone_;
};

TimeZone TimeZone::parse(std::string name, std::string_view tzif) {
  return TzifReader(std::move(name), tzif).read();
}

local_seconds TimeZone::YearlyDay::in(year in_year) const {
  const auto first = local_days{in_year / 1 / 1};
  switch (form) {
    case Form::julian_without_leap_day:  // 1..365, 60 is always 1 March
      return first + days{day - 1 + (in_year.is_leap() && day >= 60 ? 1 : 0)} + time;
    case Form::day_of_year:  // 0..365
      return first + days{day} + time;
    case Form::weekday_of_month:
      break;
  }
  const auto of_month = in_year / std::chrono::month{static_cast<unsigned>(month)};
  const std::chrono::weekday weekday{static_cast<unsigned>(day)};
  const auto date = week == 5 ? local_days{of_month / weekday[std::chrono::last]}
                              : local_days{of_month / weekday[static_cast<unsigned>(week)]};
  return date + time;
}

void TimeZone::add_transitions_of(year in_year, std::vector<Transition>& to) const {
  const Rule::Summer& summer = *rule_->summer;
  const auto instant = [](local_seconds local, seconds offset) {
    return sys_seconds{local.time_since_epoch() - offset};
  };
  to.push_back({instant(summer.end.in(in_year), summer.offset), rule_->standard});
  to.push_back({instant(summer.begin.in(in_year), rule_->standard), summer.offset});
}

ZoneInfo TimeZone::by_rule(sys_seconds instant) const {
  if (!rule_->summer) return {sys_seconds::min(), sys_seconds::max(), rule_->standard};
  const std::chrono::year_month_day date{std::chrono::floor<days>(instant)};
  std::vector<Transition> around;
  for (int shift = -1; shift <= 1; ++shift) {
    add_transitions_of(date.year() + std::chrono::years{shift}, around);
  }
  // Stable: where summer time ends in the instant in which the next begins, there is no winter.
  std::ranges::stable_sort(around, {}, &Transition::at);
  const auto next = std::ranges::upper_bound(around, instant, {}, &Transition::at);
  const auto& last = *std::prev(next);
  return {last.at, next->at, last.offset};
}

ZoneInfo TimeZone::info_at(sys_seconds instant) const {
  const auto next = std::ranges::upper_bound(transitions_, instant, {}, &Transition::at);
  const bool is_first = next == transitions_.begin();
  if (next == transitions_.end() && rule_) {
    ZoneInfo info = by_rule(instant);
    if (!is_first) info.begin = std::max(info.begin, std::prev(next)->at);
    return info;
  }
  return {is_first ? sys_seconds::min() : std::prev(next)->at,
          next == transitions_.end() ? sys_seconds::max() : next->at,
          is_first ? before_ : std::prev(next)->offset};
}

local_seconds TimeZone::to_local(sys_seconds instant) const {
  return local_seconds{instant.time_since_epoch() + info_at(instant).offset};
}

sys_seconds TimeZone::to_sys(local_seconds local) const {
  // From a stretch that certainly begins before, the first one that shows this time or a later one.
  ZoneInfo info = info_at(sys_seconds{local.time_since_epoch() - kMaxOffset});
  for (;;) {
    const sys_seconds instant{local.time_since_epoch() - info.offset};
    if (instant < info.begin) return info.begin;
    if (instant < info.end) return instant;
    info = info_at(info.end);
  }
}

std::string TimeZone::text(sys_seconds instant) const {
  const local_seconds local = to_local(instant);
  const auto day = std::chrono::floor<days>(local);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{local - day};
  const auto offset = local.time_since_epoch() - instant.time_since_epoch();
  const auto minutes = std::chrono::abs(offset) / std::chrono::minutes{1};
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} {}{:02}:{:02}", int{date.year()},
                     unsigned{date.month()}, unsigned{date.day()}, time.hours().count(),
                     time.minutes().count(), time.seconds().count(),
                     offset < seconds{0} ? '-' : '+', minutes / 60, minutes % 60);
}

}  // namespace pmx
