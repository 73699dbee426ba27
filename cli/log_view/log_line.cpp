#include "cli/log_view/log_line.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/base/date_parse.h"

namespace pmx {
namespace {

using Json = nlohmann::json;

// A record as pmx writes it for log_type json; else null.
Json record_in(std::string_view line) {
  if (!line.starts_with('{')) return nullptr;
  Json record = Json::parse(line, nullptr, false);
  const bool is_record = record.is_object() && record.contains("message") &&
                         record["message"].is_string() && record.contains("timestamp") &&
                         record["timestamp"].is_string();
  return is_record ? record : Json();
}

std::optional<LogTime> time_in(const std::string& timestamp, const std::string& date_format) {
  auto parsed = date_format.empty() ? std::nullopt : parse_date(date_format, timestamp);
  if (!parsed) parsed = parse_iso_date(timestamp);
  return parsed ? std::optional(parsed->time) : std::nullopt;
}

// Where the app's own text begins; npos: the line has no date of ours, or one that says too little.
std::size_t behind_date(const LogFileEntry& entry, std::string_view line,
                        std::optional<LogTime>& time) {
  constexpr std::string_view kBetween = ": ";
  if (entry.date_format.empty()) return std::string_view::npos;
  const auto parsed = parse_date(entry.date_format, line);
  if (!parsed || !line.substr(parsed->length).starts_with(kBetween)) return std::string_view::npos;
  time = parsed->time;
  return parsed->length + kBetween.size();
}

}  // namespace

std::string label_of(const LogFileEntry& entry) {
  return entry.stream == LogStream::daemon ? entry.name
                                           : fmt::format("{}|{}", entry.pm_id, entry.name);
}

std::optional<LogTime> written_at(const LogFileEntry& entry, std::string_view line) {
  if (entry.json) {
    const Json record = record_in(line);
    if (!record.is_null())
      return time_in(record["timestamp"].get<std::string>(), entry.date_format);
  }
  std::optional<LogTime> time;
  if (behind_date(entry, line, time) != std::string_view::npos) return time;
  const auto parsed = parse_iso_date(line.substr(line.starts_with('[') ? 1 : 0));
  return parsed ? std::optional(parsed->time) : std::nullopt;
}

std::string message_of(const LogFileEntry& entry, std::string_view line, std::string& timestamp) {
  if (entry.json) {
    const Json record = record_in(line);
    if (!record.is_null()) {
      timestamp = record["timestamp"].get<std::string>();
      std::string message = record["message"].get<std::string>();
      if (message.ends_with('\n')) message.pop_back();
      return message;
    }
  }
  std::optional<LogTime> time;
  const std::size_t begin = behind_date(entry, line, time);
  if (begin == std::string_view::npos) return std::string(line);
  timestamp = line.substr(0, begin - 2);
  return std::string(line.substr(begin));
}

}  // namespace pmx
