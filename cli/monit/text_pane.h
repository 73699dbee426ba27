// TextPane: rows of a key and a value, wrapped to a width, that one can scroll in.
#pragma once

#include <string>
#include <vector>

#include "cli/render/describe.h"

namespace pmx::cli::monit {

class TextPane {
 public:
  struct Line {
    std::string key;  // in the first line of a row only
    std::string value;
    Colour colour = Colour::none;
  };

  // Scrolled as before.
  void set(std::vector<DescribedRow> rows) { rows_ = std::move(rows); }
  void scroll_to_begin() { first_ = 0; }
  // Down if positive, in a window of that size.
  void scroll(long lines, int height, int width);

  // What a window shows.
  [[nodiscard]] std::vector<Line> lines(int height, int width) const;
  [[nodiscard]] int key_width() const;

 private:
  [[nodiscard]] std::vector<Line> all_lines(int width) const;

  std::vector<DescribedRow> rows_;
  long first_ = 0;
};

}  // namespace pmx::cli::monit
