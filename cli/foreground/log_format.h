// How `pmx run` shows a line of an app.
#pragma once

#include <string>
#include <string_view>

#include "cli/log_view/line_printer.h"

namespace pmx::cli {

enum class LogFormat {
  raw,       // as it is
  prefixed,  // "0|api  | line"
  logfmt,    // timestamp=... app=api id=0 type=out message=line
  json,      // {"app_name", "message", "process_id", "timestamp", "type"}
};

// A line in logfmt or json, with its end; `entry` says whose it is. The time is now, unless
// `timestamp` is given.
std::string log_record(LogFormat format, const LogFileEntry& entry, std::string_view line,
                       std::string timestamp = {});

// What has happened to an app, as pm2 has it in its JSON: {"app_name", "status", "timestamp", "type":
// "process_event"}.
std::string event_record(std::string_view app, std::string_view status);

}  // namespace pmx::cli
