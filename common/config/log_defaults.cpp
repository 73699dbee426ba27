#include "common/config/log_defaults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/base/error.h"
#include "common/config/json_values.h"
#include "common/config/words.h"

namespace pmx {
namespace {

constexpr std::string_view kModule = "pm2-logrotate";

// A field of a time as cron has it. The daemon, which knows the whole grammar, looks again.
bool looks_like_field(const std::string& field, int largest) {
  std::string number;
  for (const char c : field + ",") {
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      number += c;
      continue;
    }
    if (number.size() > 2 || (!number.empty() && std::atoi(number.c_str()) > largest)) return false;
    number.clear();
    if (std::isalpha(static_cast<unsigned char>(c)) == 0 &&
        std::string_view("*/,-?#").find(c) == std::string_view::npos)
      return false;
  }
  return true;
}

bool looks_like_times(const std::string& text) {
  constexpr std::array<int, 6> kLargest{59, 59, 23, 31, 12, 7};
  const std::vector<std::string> fields = split_words(text);
  if (fields.size() == 1) return text.starts_with('@');
  if (fields.size() != kLargest.size() && fields.size() + 1 != kLargest.size()) return false;
  const std::size_t skipped = kLargest.size() - fields.size();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (!looks_like_field(fields[i], kLargest.at(i + skipped))) return false;
  }
  return true;
}

struct Key {
  std::string_view name;
  std::string_view expected;
  bool (*set)(const std::string& value, LogLimits& limits);
};

constexpr auto kKeys = std::to_array<Key>({
    {"max_size", "a size such as 10M, 512K or 1G; 0: never",
     [](const std::string& value, LogLimits& limits) {
       return values::read(nlohmann::json(value), limits.max_size);
     }},
    {"retain", "a whole number of files, not negative",
     [](const std::string& value, LogLimits& limits) {
       return values::read(nlohmann::json(value), limits.retain);
     }},
    {"compress", "true or false",
     [](const std::string& value, LogLimits& limits) {
       limits.compress = value == "true";
       return value == "true" || value == "false";
     }},
    {"rotateInterval", "times as cron has them, 5 or 6 fields, or empty: never",
     [](const std::string& value, LogLimits& limits) {
       limits.interval = value;
       return value.empty() || looks_like_times(value);
     }},
});

// What pmx has no like of, and why.
std::string_view why_not(std::string_view name) {
  if (name == "dateFormat") return "old log files are named NAME__YYYY-MM-DD_HH-mm-ss";
  if (name == "workerInterval") return "the size is looked at whenever something is written";
  if (name == "rotateModule") return "pmx has no modules";
  if (name == "TZ") return "the times are those of the app's time_zone, else the daemon's";
  return "";
}

std::string name_in(std::string_view key) {
  const std::vector<std::string> parts = Settings::parts_of(key);
  return parts.size() == 2 ? parts.back() : std::string();
}

void set(std::string_view key, const std::string& value, LogLimits& limits) {
  const std::string name = name_in(key);
  const auto* const found = std::ranges::find(kKeys, name, &Key::name);
  if (found == kKeys.end()) {
    const std::string_view reason = why_not(name);
    throw Error(ErrorCode::invalid_request,
                reason.empty() ? fmt::format("log rotation has no setting {}", key)
                               : fmt::format("{} cannot be set: {}", key, reason),
                "max_size, retain, compress and rotateInterval can be set");
  }
  if (!found->set(value, limits))
    throw Error(ErrorCode::invalid_request,
                fmt::format("{}: expected {}, not \"{}\"", key, found->expected, value));
}

}  // namespace

bool is_log_default(std::string_view key) { return Settings::parts_of(key).front() == kModule; }

void check_log_default(std::string_view key, const std::string& value) {
  LogLimits unused;
  set(key, value, unused);
}

LogLimits default_log_limits(const Settings& settings) {
  LogLimits limits;
  for (const auto& [key, value] : settings.entries(kModule)) set(key, value, limits);
  return limits;
}

LogLimits follow_defaults(LogLimits limits, const LogLimits& before, const LogLimits& after) {
  if (limits.max_size == before.max_size) limits.max_size = after.max_size;
  if (limits.interval == before.interval) limits.interval = after.interval;
  if (limits.retain == before.retain) limits.retain = after.retain;
  if (limits.compress == before.compress) limits.compress = after.compress;
  return limits;
}

}  // namespace pmx
