// LinePrinter: how lines of log files look on screen. Whole lines only, so files never mix within
// one, unless raw.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cli/log_view/log_filter.h"
#include "cli/log_view/log_line.h"

namespace pmx {

enum class LogFormat {
  text,    // "0|api  | line"
  raw,     // bytes as they are; those of `err` files to the err output
  json,    // an object for each line
  logfmt,  // timestamp=... app=... id=... type=... message=...
  bus,     // an object for each line, as pm2's event bus has it
};

struct LogViewOptions {
  std::optional<std::size_t> lines = 15;  // of history per file; 0: none; none: all that is wanted
  LogFormat format = LogFormat::text;
  bool colour = false;
  std::optional<std::string>
      timestamp;          // pattern (date_pattern.h) of the arrival time; live lines only
  std::string highlight;  // first occurrence in each line gets a background; needs colour
  LogFilter filter;
};

// What is known of one file while it is read.
struct LineState {
  std::string held;                  // its last, unfinished line; bounded
  bool was_flushed = false;          // the beginning of that was taken for a line already
  std::optional<LogTime> last_time;  // of the lines until now
  bool unknown_is_wanted = true;     // lines without any time, by the age of the file
  bool has_unknown = false;          // there was one
};

// What a process of an app did.
struct LogEvent {
  int pm_id = 0;
  std::string name;
  std::string event;
  LogTime at;
};

class LinePrinter {
 public:
  // Called with each line that the filter wants.
  using Take = std::function<void(const LogLine&)>;

  // `options` and the outputs are borrowed.
  LinePrinter(const LogViewOptions& options, std::FILE* out, std::FILE* err);

  void set_label_width(std::size_t width) { label_width_ = width; }

  // Takes `bytes` apart into lines and gives those that are wanted, the last one when it has its end.
  void split(LineState& state, const LogFileEntry& entry, std::string_view bytes, bool is_live,
             const Take& take) const;
  // Gives an unfinished line as a line of its own.
  void split_rest(LineState& state, const LogFileEntry& entry, bool is_live,
                  const Take& take) const;

  // What is wanted of `bytes`.
  void print(LineState& state, const LogFileEntry& entry, std::string_view bytes, bool is_live);
  void flush(LineState& state, const LogFileEntry& entry, bool is_live);
  void print_line(const LogFileEntry& entry, const LogLine& line);
  // In json only: other formats have no place for it.
  void event(const LogEvent& event);
  // Not in formats that programs read.
  void header(const std::string& text);
  // To the err output.
  void notice(const std::string& text);
  // Hands everything to the operating system.
  void finish_turn();

 private:
  [[nodiscard]] bool is_byte_wise() const;
  void offer(LineState& state, const LogFileEntry& entry, std::string_view text, bool is_live,
             const Take& take) const;
  void print_bytes(const LogFileEntry& entry, std::string_view bytes);
  void print_text(const LogFileEntry& entry, const LogLine& line);
  void print_json(const LogFileEntry& entry, const LogLine& line);
  void print_bus(const LogFileEntry& entry, const LogLine& line);
  void print_logfmt(const LogFileEntry& entry, const LogLine& line);
  void append_highlighted(std::string_view line);

  const LogViewOptions& options_;
  std::FILE* out_;
  std::FILE* err_;
  std::size_t label_width_ = 0;
  bool is_at_line_start_ = true;  // of `out_`, after raw bytes
  std::string line_;              // being put together; a member to keep its memory
};

}  // namespace pmx
