// A table with box-drawing borders, or `key | value` blocks with a title.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace pmx::cli {

enum class Colour { none, bold, cyan, green, blue, red, yellow, grey };

// `text` between the escape sequences of `colour`, or unchanged for Colour::none.
std::string coloured(const std::string& text, Colour colour);

struct Cell {
  std::string text;
  Colour colour = Colour::none;
};

class Table {
 public:
  struct Column {
    std::string title;  // empty in all columns: no head line
    std::size_t max_width = 1000;
    bool right = false;
    std::size_t least = 0;  // may be cut to this width before anything else is; 0: not
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // One cell per column. Control characters are made visible.
  void add(std::vector<Cell> row);

  // Whether nothing is cut below its column's `max_width` and `least`.
  [[nodiscard]] bool fits(std::size_t width) const;

  // Never wider than `width`: first the columns with a `least` are cut, the last one first, then
  // the widest ones, and if even that does not do, the last columns are left out. Ends with '\n'.
  [[nodiscard]] std::string render(std::optional<std::size_t> width, bool with_colours) const;

 private:
  [[nodiscard]] std::vector<std::size_t> natural_widths() const;
  void shrink(std::vector<std::size_t>& widths, std::size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace pmx::cli
