#include "cli/monit/log_lines.h"

#include <algorithm>

#include "cli/monit/text.h"

namespace pmx::cli::monit {

void LogLines::add(LogStream stream, std::string_view line) {
  lines_.push_back({stream, plain_line(line.substr(0, kMaxBytes))});
  if (below_ > 0) ++below_;
  if (lines_.size() > kMaxLines) lines_.pop_front();
  below_ = std::min(below_, lines_.size() - 1);
}

void LogLines::clear() {
  lines_.clear();
  below_ = 0;
}

void LogLines::scroll(long lines) {
  const long last = lines_.empty() ? 0 : static_cast<long>(lines_.size()) - 1;
  below_ = static_cast<std::size_t>(std::clamp(static_cast<long>(below_) + lines, 0L, last));
}

void LogLines::scroll_to_begin() { scroll(static_cast<long>(kMaxLines)); }

void LogLines::search(const std::string& text) { search_ = lower_case(text); }

bool LogLines::has_match(const Line& line) const {
  return !search_.empty() && lower_case(line.text).find(search_) != std::string::npos;
}

std::size_t LogLines::matches() const {
  return static_cast<std::size_t>(std::count_if(lines_.begin(), lines_.end(),
                                                [&](const Line& line) { return has_match(line); }));
}

bool LogLines::next_match(bool upwards) {
  const std::size_t count = lines_.size();
  for (std::size_t step = 1; step <= count; ++step) {
    const std::size_t below = (below_ + (upwards ? step : count - step)) % count;
    if (!has_match(lines_[count - 1 - below])) continue;
    below_ = below;
    return true;
  }
  return false;
}

std::vector<LogLines::Row> LogLines::rows(int height, int width) const {
  std::vector<Row> rows;  // from the bottom to the top
  const auto wanted = static_cast<std::size_t>(std::max(height, 0));
  for (std::size_t i = lines_.size() - below_; i > 0 && rows.size() < wanted; --i) {
    const Line& line = lines_[i - 1];
    const auto parts = wrapped(line.text, width);
    const std::size_t match =
        has_match(line) ? lower_case(line.text).find(search_) : std::string::npos;
    for (std::size_t part = parts.size(); part > 0 && rows.size() < wanted; --part) {
      const std::string_view text = parts[part - 1];
      const auto begin = static_cast<std::size_t>(text.data() - line.text.data());
      Row row{line.stream, part == 1, text, 0, 0};
      if (match != std::string::npos) {
        // A match that goes over the end of a row is marked in both.
        row.match_begin = std::clamp(match, begin, begin + text.size()) - begin;
        row.match_end = std::clamp(match + search_.size(), begin, begin + text.size()) - begin;
      }
      rows.push_back(row);
    }
  }
  std::reverse(rows.begin(), rows.end());
  return rows;
}

}  // namespace pmx::cli::monit
