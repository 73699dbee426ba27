#include "common/base/date_parse.h"

#include <fmt/format.h>

#include <cctype>
#include <ctime>

namespace pmx {
namespace {

using TimePoint = std::chrono::system_clock::time_point;

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// Reads from the front of a text; `ok` stays false after the first thing that is not there.
struct Scanner {
  std::string_view rest;
  bool ok = true;

  // A number of at least `least` and at most `most` digits.
  long long number(std::size_t least, std::size_t most) {
    std::size_t length = 0;
    long long value = 0;
    while (length < most && length < rest.size() && is_digit(rest[length]))
      value = value * 10 + (rest[length++] - '0');
    ok = ok && length >= least;
    rest.remove_prefix(length);
    return value;
  }
  void literal(std::string_view text) {
    ok = ok && rest.starts_with(text);
    if (ok) rest.remove_prefix(text.size());
  }
  bool next_is(char c) const { return ok && !rest.empty() && rest.front() == c; }
  // "+02:00", "+0200" or "Z", in seconds.
  long long zone() {
    if (next_is('Z')) {
      rest.remove_prefix(1);
      return 0;
    }
    const bool is_west = next_is('-');
    ok = ok && (is_west || next_is('+'));
    if (!ok) return 0;
    rest.remove_prefix(1);
    const long long hours = number(2, 2);
    if (next_is(':')) rest.remove_prefix(1);
    const long long seconds = hours * 3600 + number(2, 2) * 60;
    return is_west ? -seconds : seconds;
  }
};

struct Fields {
  std::optional<long long> year, month, day, hour, minute, second, millisecond, zone, epoch_millis;
  std::optional<bool> is_afternoon;

  [[nodiscard]] std::optional<TimePoint> time() const {
    const auto at = [](long long millis) { return TimePoint(std::chrono::milliseconds(millis)); };
    if (epoch_millis) return at(*epoch_millis);
    if (!year || !month || !day || !hour) return std::nullopt;
    std::tm parts{};
    parts.tm_year = static_cast<int>(*year - 1900);
    parts.tm_mon = static_cast<int>(*month - 1);
    parts.tm_mday = static_cast<int>(*day);
    parts.tm_hour = static_cast<int>(is_afternoon ? *hour % 12 + (*is_afternoon ? 12 : 0) : *hour);
    parts.tm_min = static_cast<int>(minute.value_or(0));
    parts.tm_sec = static_cast<int>(second.value_or(0));
    parts.tm_isdst = -1;
    if (*month < 1 || *month > 12 || *day < 1 || *day > 31 || parts.tm_hour > 23 ||
        parts.tm_min > 59 || parts.tm_sec > 60) {
      return std::nullopt;
    }
    const std::time_t seconds = zone ? ::timegm(&parts) - *zone : ::mktime(&parts);
    return at(static_cast<long long>(seconds) * 1000 + millisecond.value_or(0));
  }
};

}  // namespace

std::optional<ParsedDate> parse_date(std::string_view pattern, std::string_view text) {
  Fields fields;
  Scanner scan{text};
  while (!pattern.empty() && scan.ok) {
    if (const auto end = pattern.find(']'); pattern[0] == '[' && end != std::string_view::npos) {
      scan.literal(pattern.substr(1, end - 1));
      pattern.remove_prefix(end + 1);
      continue;
    }
    const auto take = [&pattern](std::string_view token) {
      if (!pattern.starts_with(token)) return false;
      pattern.remove_prefix(token.size());
      return true;
    };
    // As in format_date.
    if (take("YYYY"))
      fields.year = scan.number(4, 4);
    else if (take("YY"))
      fields.year = 2000 + scan.number(2, 2);
    else if (take("MM"))
      fields.month = scan.number(2, 2);
    else if (take("M"))
      fields.month = scan.number(1, 2);
    else if (take("DD"))
      fields.day = scan.number(2, 2);
    else if (take("D"))
      fields.day = scan.number(1, 2);
    else if (take("HH") || take("hh"))
      fields.hour = scan.number(2, 2);
    else if (take("H") || take("h"))
      fields.hour = scan.number(1, 2);
    else if (take("mm"))
      fields.minute = scan.number(2, 2);
    else if (take("m"))
      fields.minute = scan.number(1, 2);
    else if (take("SSS"))
      fields.millisecond = scan.number(3, 3);
    else if (take("ss"))
      fields.second = scan.number(2, 2);
    else if (take("s"))
      fields.second = scan.number(1, 2);
    else if (take("A") || take("a")) {
      fields.is_afternoon = scan.next_is('P') || scan.next_is('p');
      scan.ok = scan.ok && scan.rest.size() >= 2;
      if (scan.ok) scan.rest.remove_prefix(2);
    } else if (take("ZZ") || take("Z"))
      fields.zone = scan.zone();
    else if (take("X"))
      fields.epoch_millis = scan.number(9, 12) * 1000;
    else if (take("x"))
      fields.epoch_millis = scan.number(12, 15);
    else {
      scan.literal(pattern.substr(0, 1));
      pattern.remove_prefix(1);
    }
  }
  const auto time = scan.ok ? fields.time() : std::nullopt;
  if (!time) return std::nullopt;
  return ParsedDate{*time, text.size() - scan.rest.size()};
}

std::optional<ParsedDate> parse_iso_date(std::string_view text) {
  Fields fields;
  Scanner scan{text};
  fields.year = scan.number(4, 4);
  scan.literal("-");
  fields.month = scan.number(2, 2);
  scan.literal("-");
  fields.day = scan.number(2, 2);
  scan.literal(scan.next_is(' ') ? " " : "T");
  fields.hour = scan.number(2, 2);
  scan.literal(":");
  fields.minute = scan.number(2, 2);
  if (scan.next_is(':')) {
    scan.literal(":");
    fields.second = scan.number(2, 2);
  }
  if ((scan.next_is('.') || scan.next_is(',')) && scan.rest.size() > 1 && is_digit(scan.rest[1])) {
    scan.rest.remove_prefix(1);
    long long millis = 0;
    for (int place = 100; !scan.rest.empty() && is_digit(scan.rest.front()); place /= 10) {
      millis += (scan.rest.front() - '0') * place;
      scan.rest.remove_prefix(1);
    }
    fields.millisecond = millis;
  }
  const bool has_zone = scan.next_is('Z') || ((scan.next_is('+') || scan.next_is('-')) &&
                                              scan.rest.size() > 1 && is_digit(scan.rest[1]));
  if (has_zone) fields.zone = scan.zone();
  const auto time = scan.ok ? fields.time() : std::nullopt;
  if (!time) return std::nullopt;
  return ParsedDate{*time, text.size() - scan.rest.size()};
}

std::string iso_utc(TimePoint time) {
  const auto millis =
      std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(millis / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     millis % 1000);
}

}  // namespace pmx
