// AppOutputs: what apps of `pmx run` print, through FIFOs that the daemon writes in place of log files:
// nothing grows, nothing is lost, and an app whose output nobody takes waits as it would without pmx.
#pragma once

#include <poll.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/foreground/outlet.h"
#include "cli/log_view/line_printer.h"
#include "common/base/unique_fd.h"
#include "common/model/app_spec.h"

namespace pmx::cli {

class AppOutputs {
 public:
  // FIFOs are made in `directory`, which is ours: what is in it is removed now and in the end. The
  // printer and the outlets are borrowed.
  AppOutputs(std::string directory, LogFormat format, LinePrinter& printer, Outlet& out,
             Outlet& err);
  ~AppOutputs();
  AppOutputs(const AppOutputs&) = delete;
  AppOutputs& operator=(const AppOutputs&) = delete;

  // Has the streams of `spec` that have no file of their own come here.
  void take(AppSpec& spec);
  [[nodiscard]] bool has(std::string_view path) const;

  // Adds what is to be polled: nothing while the outlet of a stream has no room.
  void add_to(std::vector<pollfd>& waiting) const;
  // Reads what is there, a bounded amount. False: nothing was there.
  bool read();
  // Hands on what is held of unfinished lines: those that are old, or `all`.
  void flush_lines(bool all);
  // When flush_lines has something to do next.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_flush() const;

 private:
  struct Source {
    std::string path;
    LogFileEntry entry;        // its app and stream
    bool has_records = false;  // of the daemon, which say whose a line is
    UniqueFd fd;
    std::string held;  // of an unfinished line
    std::chrono::steady_clock::time_point grown;
    LineState line;
  };

  std::string add_source(const std::string& app, LogStream stream, bool has_records);
  [[nodiscard]] Outlet& outlet_of(const Source& source) const;
  void feed(Source& source, std::string_view bytes);
  void print(Source& source, std::string_view lines);
  void print_line(Source& source, std::string_view line);
  // Lines of several sources must not be mixed.
  [[nodiscard]] bool holds_lines() const { return sources_.size() > 2; }

  std::string directory_;
  LogFormat format_;
  LinePrinter& printer_;
  Outlet& out_;
  Outlet& err_;
  std::vector<Source> sources_;
};

}  // namespace pmx::cli
