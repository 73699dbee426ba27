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

namespace pmx {

enum class LogStream { out, err };

struct LogFileEntry {
  int pm_id = 0;
  std::string name;
  LogStream stream = LogStream::out;
  std::string path;
  std::optional<off_t> from = {};  // where a view begins with it; none: at its present end
};

struct LogViewOptions {
  std::size_t lines = 15;  // of history per file; 0: none, without headers
  bool raw = false;        // bytes as they are; those of `err` files to the err output
  bool colour = false;
  std::optional<std::string>
      timestamp;          // pattern (date_pattern.h) of the arrival time; live lines only
  std::string highlight;  // first occurrence in each line gets a background; needs colour
  // How a line looks, with its end, if not as above.
  std::function<std::string(const LogFileEntry&, std::string_view)> record;
};

// What is known of the last, unfinished line of one file.
struct LineState {
  std::string held;          // bounded
  bool was_flushed = false;  // its beginning was printed as a line already
};

class LinePrinter {
 public:
  // `options` and the outputs are borrowed.
  LinePrinter(const LogViewOptions& options, std::FILE* out, std::FILE* err);

  static std::string label(const LogFileEntry& entry);
  void set_label_width(std::size_t width) { label_width_ = width; }

  // `is_live`: arriving now, not history.
  void print(LineState& state, const LogFileEntry& entry, std::string_view bytes, bool is_live);
  // Prints an unfinished line as a line of its own.
  void flush(LineState& state, const LogFileEntry& entry);
  void header(const std::string& text);
  // To the err output.
  void notice(const std::string& text);
  // Hands everything to the operating system.
  void finish_turn();

 private:
  void print_raw(const LogFileEntry& entry, std::string_view bytes);
  void print_line(const LogFileEntry& entry, std::string_view line, bool is_live);
  void append_highlighted(std::string_view line);

  const LogViewOptions& options_;
  std::FILE* out_;
  std::FILE* err_;
  std::size_t label_width_ = 0;
  bool is_at_line_start_ = true;  // of `out_`, after raw bytes
  std::string line_;              // being put together; a member to keep its memory
};

}  // namespace pmx
