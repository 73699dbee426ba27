// Picture: what one screen shows, as pieces of text with a style each. Made by draw.h without a
// terminal, shown by terminal.h.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/render/table.h"

namespace pmx::cli::monit {

struct Size {
  int rows = 0;
  int columns = 0;
  friend bool operator==(const Size&, const Size&) = default;
};

struct Rect {
  int row = 0;
  int column = 0;
  int height = 0;
  int width = 0;

  [[nodiscard]] bool contains(int at_row, int at_column) const {
    return at_row >= row && at_row < row + height && at_column >= column &&
           at_column < column + width;
  }
  friend bool operator==(const Rect&, const Rect&) = default;
};

struct Style {
  Colour colour = Colour::none;
  bool bold = false;
  bool dim = false;
  bool reverse = false;
};

struct Piece {
  int row = 0;
  int column = 0;
  std::string text;  // printable, not wider than what is right of `column`
  Style style;
};

struct Picture {
  std::vector<Piece> pieces;  // later ones over earlier ones
  struct Cursor {
    int row = 0;
    int column = 0;
  };
  std::optional<Cursor> cursor;  // none: hidden
};

}  // namespace pmx::cli::monit
