// LogLines: the last lines of an instance's logs, where one has scrolled to in them, and the search.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "cli/log_view/line_printer.h"

namespace pmx::cli::monit {

class LogLines {
 public:
  static constexpr std::size_t kMaxLines = 5000;
  static constexpr std::size_t kMaxBytes = 2000;  // of a line; the rest is cut off

  // One row of the screen. The texts are valid until the next change.
  struct Row {
    LogStream stream = LogStream::out;
    bool is_first = false;  // of its line
    std::string_view text;
    std::size_t match_begin = 0;  // of the search; equal: none
    std::size_t match_end = 0;
  };

  void add(LogStream stream, std::string_view line);
  void clear();
  [[nodiscard]] std::size_t size() const { return lines_.size(); }

  // Lines towards the beginning (positive) or the end. Scrolled away from the end it stays where it
  // is while lines arrive.
  void scroll(long lines);
  void scroll_to_begin();
  void scroll_to_end() { below_ = 0; }
  // How many lines are below what is shown.
  [[nodiscard]] std::size_t below() const { return below_; }

  // In any case (of ASCII). Empty: none.
  void search(const std::string& text);
  [[nodiscard]] const std::string& searched() const { return search_; }
  [[nodiscard]] std::size_t matches() const;
  // Scrolls to the next line with a match, upwards or downwards, beginning again at the other end.
  // False: there is none.
  bool next_match(bool upwards);

  // The rows of a window, the last line at its bottom.
  [[nodiscard]] std::vector<Row> rows(int height, int width) const;

 private:
  struct Line {
    LogStream stream = LogStream::out;
    std::string text;
  };

  [[nodiscard]] bool has_match(const Line& line) const;

  std::deque<Line> lines_;
  std::size_t below_ = 0;
  std::string search_;  // in lower case
};

}  // namespace pmx::cli::monit
