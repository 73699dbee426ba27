// What is known of one line of a log file: when it was written, and what the app has said in it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace pmx {

using LogTime = std::chrono::system_clock::time_point;

enum class LogStream { out, err, daemon };

struct LogFileEntry {
  int pm_id = 0;  // not of the daemon's own log
  std::string name;
  LogStream stream = LogStream::out;
  std::string path;
  std::string date_format = {};  // what each line begins with, then ": "; empty: nothing of ours
  bool json = false;             // each line is an object
  std::string name_space = {};
  std::optional<off_t> from = {};  // where a view begins with it; none: at its present end
};

// "0|api", "PMX"
std::string label_of(const LogFileEntry& entry);

struct LogLine {
  std::string_view text;             // without its line break
  std::optional<LogTime> time = {};  // known, or that of the last one before it in its file
  bool is_live = false;              // arriving now, not history
};

// When the line says it was written: by the date or the object that pmx has put there, else by an
// ISO date that the app begins it with.
std::optional<LogTime> written_at(const LogFileEntry& entry, std::string_view line);

// The line as the app has printed it, without what pmx has put around it. What is no such record is
// returned as it is. `timestamp`: of the record, as it stands there; untouched if it has none.
std::string message_of(const LogFileEntry& entry, std::string_view line, std::string& timestamp);

}  // namespace pmx
