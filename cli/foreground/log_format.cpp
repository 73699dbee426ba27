#include "cli/foreground/log_format.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "common/base/date_pattern.h"

namespace pmx::cli {
namespace {

constexpr std::string_view kIsoDate = "YYYY-MM-DDTHH:mm:ss.SSSZ";
constexpr std::string_view kLogfmtDate = "YYYY-MM-DD-HH:mm:ssZZ";

std::string now_as(std::string_view pattern) {
  return format_date(pattern, std::chrono::system_clock::now());
}

// What is not UTF-8 is replaced.
std::string one_line(const nlohmann::json& record) {
  return record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string log_record(LogFormat format, const LogFileEntry& entry, std::string_view line,
                       std::string timestamp) {
  const std::string_view type = entry.stream == LogStream::err ? "err" : "out";
  if (format == LogFormat::json) {
    return one_line({{"message", line},
                     {"timestamp", timestamp.empty() ? now_as(kIsoDate) : std::move(timestamp)},
                     {"type", type},
                     {"process_id", entry.pm_id},
                     {"app_name", entry.name}});
  }
  return fmt::format("timestamp={} app={} id={} type={} message={}\n", now_as(kLogfmtDate),
                     entry.name, entry.pm_id, entry.stream == LogStream::err ? "error" : "out",
                     line);
}

std::string event_record(std::string_view app, std::string_view status) {
  return one_line({{"app_name", app},
                   {"status", status},
                   {"timestamp", now_as(kIsoDate)},
                   {"type", "process_event"}});
}

}  // namespace pmx::cli
