#include "daemon/policy/cron_schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <utility>
#include <vector>

#include "common/base/error.h"

namespace pmx {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::local_seconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using std::chrono::year_month_day;

namespace {

// 29 February on a given weekday is the rarest date: 40 years apart around 2100.
constexpr std::chrono::years kSearchedYears{41};

constexpr std::array<std::string_view, 12> kMonths = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                      "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekdays = {"SUN", "MON", "TUE", "WED",
                                                       "THU", "FRI", "SAT"};

struct Field {
  std::string_view name;
  int least, most;
  std::span<const std::string_view> names = {};  // of least, least + 1, ...
  bool is_day = false;                           // may be "?"
  std::string_view expected;
};
constexpr std::array<Field, 6> kFields = {{
    {"second", 0, 59, {}, false, "0-59"},
    {"minute", 0, 59, {}, false, "0-59"},
    {"hour", 0, 23, {}, false, "0-23"},
    {"day", 1, 31, {}, true, "1-31 or L"},
    {"month", 1, 12, kMonths, false, "1-12 or JAN-DEC"},
    {"weekday", 0, 7, kWeekdays, true, "0-7 or SUN-SAT"},
}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kMacros = {{
    {"@YEARLY", "0 0 1 1 *"},
    {"@ANNUALLY", "0 0 1 1 *"},
    {"@MONTHLY", "0 0 1 * *"},
    {"@WEEKLY", "0 0 * * 0"},
    {"@DAILY", "0 0 * * *"},
    {"@MIDNIGHT", "0 0 * * *"},
    {"@HOURLY", "0 * * * *"},
}};

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

std::vector<std::string> split_at(std::string_view text, std::string_view separators) {
  std::vector<std::string> parts;
  for (std::size_t at = 0;;) {
    const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
    parts.emplace_back(text.substr(at, end - at));
    if (end == text.size()) return parts;
    at = end + 1;
  }
}

}  // namespace

class CronParser {
 public:
  explicit CronParser(std::string_view expression) { schedule_.expression_ = expression; }

  CronSchedule parse() {
    std::string text = upper(schedule_.expression_);
    const auto* const macro =
        std::ranges::find(kMacros, text, [](const auto& each) { return each.first; });
    if (macro != kMacros.end()) text = macro->second;
    if (text.starts_with('@')) fail("expected @yearly, @monthly, @weekly, @daily or @hourly");

    std::vector<std::string> fields = split_at(text, " \t");
    std::erase(fields, "");
    if (fields.size() == 5) fields.insert(fields.begin(), "0");
    if (fields.size() != 6) {
      fail(
          fmt::format("expected 5 fields, or 6 with the seconds first, but got {}", fields.size()));
    }
    set(0, fields, schedule_.seconds_);
    set(1, fields, schedule_.minutes_);
    set(2, fields, schedule_.hours_);
    set(3, fields, schedule_.days_);
    set(4, fields, schedule_.months_);
    set(5, fields, schedule_.weekdays_);
    if (schedule_.weekdays_[7]) schedule_.weekdays_.set(0);

    // Any beginning will do: within the searched years every date that exists comes.
    if (!schedule_.match_from(local_days{std::chrono::year{2000} / 1 / 1})) {
      fail(fmt::format("day {}, month {}, weekday {}: no such date ever comes", fields[3],
                       fields[4], fields[5]));
    }
    return std::move(schedule_);
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    throw Error(ErrorCode::invalid_spec,
                fmt::format("cron expression '{}': {}", schedule_.expression_, why),
                "example: '30 4 * * MON-FRI' is 04:30 on working days");
  }
  [[noreturn]] void fail_in(const Field& field, std::string_view part,
                            std::string_view why = {}) const {
    fail(fmt::format("{}: expected {}, got '{}'{}{}", field.name, field.expected, part,
                     why.empty() ? "" : ": ", why));
  }

  template <std::size_t N>
  void set(std::size_t index, const std::vector<std::string>& fields, std::bitset<N>& values) {
    const Field& field = kFields[index];
    for (const std::string& part : split_at(fields[index], ",")) {
      if (part == "L" && field.name == "day") {
        schedule_.last_day_ = true;
        continue;
      }
      const Steps steps = steps_of(field, part);
      for (int value = steps.first; value <= steps.last; value += steps.step) {
        values.set(static_cast<std::size_t>(value));
      }
    }
  }

  struct Steps {
    int first, last, step;
  };
  [[nodiscard]] Steps steps_of(const Field& field, const std::string& part) const {
    const std::size_t slash = part.find('/');
    const std::string range = part.substr(0, slash);
    // `*` has each weekday once: 7 is Sunday again.
    Steps steps{field.least, field.most == 7 ? 6 : field.most, 1};
    const std::size_t dash = range.find('-');
    if (dash != std::string::npos) {
      steps.first = value_of(field, part, range.substr(0, dash));
      steps.last = value_of(field, part, range.substr(dash + 1));
      // FRI-SUN
      if (field.most == 7 && steps.last == 0 && steps.first > 0) steps.last = 7;
      if (steps.first > steps.last) {
        fail_in(field, part, "the range runs backwards; write two, with a comma");
      }
    } else if (range != "*" && !(range == "?" && field.is_day)) {
      steps.first = value_of(field, part, range);
      steps.last = slash == std::string::npos ? steps.first : std::max(steps.first, steps.last);
    }
    if (slash != std::string::npos) {
      const auto step = number(part.substr(slash + 1));
      if (!step || *step < 1 || *step > field.most) {
        fail_in(field, part, fmt::format("a step is 1-{}", field.most));
      }
      steps.step = *step;
    }
    return steps;
  }

  [[nodiscard]] int value_of(const Field& field, const std::string& part,
                             const std::string& text) const {
    const auto name = std::ranges::find(field.names, text);
    if (name != field.names.end()) {
      return field.least + static_cast<int>(name - field.names.begin());
    }
    const auto value = number(text);
    if (!value || *value < field.least || *value > field.most) fail_in(field, part);
    return *value;
  }

  static std::optional<int> number(const std::string& text) {
    const auto is_digit = [](unsigned char c) { return std::isdigit(c) != 0; };
    if (text.empty() || text.size() > 4 || !std::ranges::all_of(text, is_digit)) return {};
    return std::stoi(text);
  }

  CronSchedule schedule_;
};

CronSchedule CronSchedule::parse(std::string_view expression) {
  return CronParser(expression).parse();
}

bool CronSchedule::matches(const year_month_day& date) const {
  const std::chrono::weekday weekday{local_days{date}};
  if (!months_[unsigned{date.month()}] || !weekdays_[weekday.c_encoding()]) return false;
  const auto last = (date.year() / date.month() / std::chrono::last).day();
  return days_[unsigned{date.day()}] || (last_day_ && date.day() == last);
}

std::optional<local_seconds> CronSchedule::match_from(local_seconds from) const {
  local_days day = floor<days>(from);
  auto hour = static_cast<std::size_t>((from - day) / hours{1});
  auto minute = static_cast<std::size_t>((from - day) % hours{1} / minutes{1});
  auto second = static_cast<std::size_t>((from - day) % minutes{1} / seconds{1});
  const local_days end = day + std::chrono::duration_cast<days>(kSearchedYears);

  for (; day < end; day += days{1}, hour = 0, minute = 0, second = 0) {
    const year_month_day date{day};
    if (!months_[unsigned{date.month()}]) {
      day = local_days{date.year() / date.month() / std::chrono::last};
      continue;
    }
    if (!matches(date)) continue;
    for (; hour < 24; ++hour, minute = 0, second = 0) {
      if (!hours_[hour]) continue;
      for (; minute < 60; ++minute, second = 0) {
        if (!minutes_[minute]) continue;
        for (; second < 60; ++second) {
          if (seconds_[second]) return day + hours{hour} + minutes{minute} + seconds{second};
        }
      }
    }
  }
  return std::nullopt;
}

std::optional<sys_seconds> CronSchedule::next_after(sys_seconds after, const TimeZone& zone) const {
  const sys_seconds end = after + kSearchedYears;
  if (hours_.all()) {
    // By elapsed time: from stretch to stretch of unchanged clocks.
    for (sys_seconds from = after + seconds{1}; from < end;) {
      const ZoneInfo info = zone.info_at(from);
      const auto local = match_from(local_seconds{from.time_since_epoch() + info.offset});
      if (!local) return std::nullopt;
      const sys_seconds instant{local->time_since_epoch() - info.offset};
      if (instant < info.end) return instant;
      from = info.end;
    }
    return std::nullopt;
  }
  // Times of the past: those in the second showing of an hour, and skipped ones.
  local_seconds from = zone.to_local(after) + seconds{1};
  while (const auto local = match_from(from)) {
    const sys_seconds instant = zone.to_sys(*local);
    if (instant > after) return instant;
    from = *local + seconds{1};
  }
  return std::nullopt;
}

}  // namespace pmx
