#include "cli/render/table.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "cli/render/text_width.h"

namespace pmx::cli {
namespace {

std::string_view escape_of(Colour colour) {
  switch (colour) {
    case Colour::none:
      break;
    case Colour::bold:
      return "\x1b[1m";
    case Colour::cyan:
      return "\x1b[1;36m";
    case Colour::green:
      return "\x1b[1;32m";
    case Colour::blue:
      return "\x1b[1;34m";
    case Colour::red:
      return "\x1b[1;31m";
    case Colour::yellow:
      return "\x1b[33m";
    case Colour::grey:
      return "\x1b[90m";
  }
  return {};
}

// Each column has a blank on both sides and a border before it; one border closes the line.
std::size_t total_width(const std::vector<std::size_t>& widths) {
  return std::accumulate(widths.begin(), widths.end(), std::size_t{1}) + 3 * widths.size();
}

void append_rule(std::string& out, const std::vector<std::size_t>& widths, std::string_view left,
                 std::string_view middle, std::string_view right) {
  for (std::size_t i = 0; i < widths.size(); ++i) {
    out += i == 0 ? left : middle;
    for (std::size_t n = 0; n < widths[i] + 2; ++n) out += "─";
  }
  out += right;
  out += '\n';
}

void append_cell(std::string& out, const Cell& cell, std::size_t width, bool right,
                 bool with_colours) {
  const std::string text = shorten(cell.text, width);
  const std::size_t fill = width - std::min(width, display_width(text));
  out += "│ ";
  if (right) out.append(fill, ' ');
  out += with_colours ? coloured(text, cell.colour) : text;
  if (!right) out.append(fill, ' ');
  out += ' ';
}

}  // namespace

std::string coloured(const std::string& text, Colour colour) {
  if (colour == Colour::none || text.empty()) return text;
  std::string result(escape_of(colour));
  result += text;
  result += "\x1b[0m";
  return result;
}

void Table::add(std::vector<Cell> row) {
  for (Cell& cell : row) cell.text = printable(cell.text);
  row.resize(columns_.size());
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> Table::natural_widths() const {
  std::vector<std::size_t> widths;
  widths.reserve(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = display_width(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[i].text));
    widths.push_back(std::clamp(width, std::size_t{1}, columns_[i].max_width));
  }
  return widths;
}

void Table::shrink(std::vector<std::size_t>& widths, std::size_t width) const {
  for (std::size_t i = widths.size(); i-- > 0;) {
    const std::size_t total = total_width(widths);
    if (total <= width) return;
    const std::size_t least = columns_[i].least;
    if (least > 0 && widths[i] > least) widths[i] -= std::min(total - width, widths[i] - least);
  }
}

bool Table::fits(std::size_t width) const {
  std::vector<std::size_t> widths = natural_widths();
  shrink(widths, width);
  return total_width(widths) <= width;
}

std::string Table::render(std::optional<std::size_t> width, bool with_colours) const {
  std::vector<std::size_t> widths = natural_widths();
  if (width) {
    shrink(widths, *width);
    while (total_width(widths) > *width) {
      const auto widest = std::max_element(widths.begin(), widths.end());
      if (*widest > 3) {
        --*widest;
      } else if (widths.size() > 1) {
        widths.pop_back();
      } else {
        break;
      }
    }
  }

  std::string out;
  append_rule(out, widths, "┌", "┬", "┐");
  const bool has_head = std::any_of(columns_.begin(), columns_.end(),
                                    [](const Column& column) { return !column.title.empty(); });
  if (has_head) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      append_cell(out, {columns_[i].title, Colour::cyan}, widths[i], columns_[i].right,
                  with_colours);
    }
    out += "│\n";
    append_rule(out, widths, "├", "┼", "┤");
  }
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      append_cell(out, row[i], widths[i], columns_[i].right, with_colours);
    }
    out += "│\n";
  }
  append_rule(out, widths, "└", "┴", "┘");
  return out;
}

}  // namespace pmx::cli
