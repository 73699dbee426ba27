// LogHistory: the lines of one log file that were written before now: the last ones, or all that
// the filter wants, also those in files it was put aside to.
#pragma once

#include <cstddef>
#include <string>

#include "cli/log_view/followed_file.h"
#include "cli/log_view/line_printer.h"

namespace pmx {

class LogHistory {
 public:
  // All borrowed. `file` is read up to its position.
  LogHistory(const LogViewOptions& options, LinePrinter& printer, const LogFileEntry& entry,
             const FollowedFile& file, LineState& state);

  void print();

 private:
  struct Part;

  void print_all();
  void print_last(std::size_t wanted);
  // What is wanted of one part, line by line.
  void read(const Part& part, const LinePrinter::Take& take);
  [[nodiscard]] bool is_too_old(const std::string& path) const;

  const LogViewOptions& options_;
  LinePrinter& printer_;
  const LogFileEntry& entry_;
  const FollowedFile& file_;
  LineState& state_;
};

}  // namespace pmx
