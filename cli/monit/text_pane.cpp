#include "cli/monit/text_pane.h"

#include <algorithm>

#include "cli/monit/text.h"
#include "cli/render/text_width.h"

namespace pmx::cli::monit {

int TextPane::key_width() const {
  std::size_t width = 0;
  for (const DescribedRow& row : rows_) width = std::max(width, display_width(row.key));
  constexpr std::size_t kWidest = 26;
  return static_cast<int>(std::min(width, kWidest));
}

std::vector<TextPane::Line> TextPane::all_lines(int width) const {
  const int value_width = width - key_width() - 1;
  std::vector<Line> lines;
  for (const DescribedRow& row : rows_) {
    std::string key = printable(row.key);
    const std::string value = printable(row.value);
    for (const std::string_view part : wrapped(value, value_width)) {
      lines.push_back({std::move(key), std::string(part), row.colour});
      key.clear();
    }
  }
  return lines;
}

void TextPane::scroll(long lines, int height, int width) {
  const long last = static_cast<long>(all_lines(width).size()) - height;
  first_ = std::clamp(first_ + lines, 0L, std::max(last, 0L));
}

std::vector<TextPane::Line> TextPane::lines(int height, int width) const {
  std::vector<Line> lines = all_lines(width);
  // After a resize, or when there is less to show, the end is not left behind.
  const long last = std::max(static_cast<long>(lines.size()) - height, 0L);
  lines.erase(lines.begin(), lines.begin() + std::min(first_, last));
  if (lines.size() > static_cast<std::size_t>(height))
    lines.resize(static_cast<std::size_t>(height));
  return lines;
}

}  // namespace pmx::cli::monit
