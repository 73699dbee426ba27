// LineFramer: output in whole lines: as they are, with a date before each, or one JSON object each.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "daemon/ports/log_sink.h"

namespace pmx {

class LineFramer {
 public:
  // `type`: "out" or "err".
  LineFramer(LogStyle style, int pm_id, std::string type);

  struct Framed {
    std::string text;      // whole lines, ready for the file
    std::size_t used = 0;  // bytes of the input that it stands for
  };
  // `all`: what is behind the last line break is a line, too.
  [[nodiscard]] Framed frame(std::string_view bytes, bool all,
                             std::chrono::system_clock::time_point now) const;

 private:
  void add(std::string& text, std::string_view line, const std::string& date) const;

  LogStyle style_;
  int pm_id_;
  std::string type_;
};

}  // namespace pmx
