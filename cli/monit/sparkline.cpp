#include "cli/monit/sparkline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace pmx::cli::monit {

std::string sparkline(const std::deque<double>& values, std::size_t width, double least_top) {
  constexpr std::array<std::string_view, 8> kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const std::size_t count = std::min(values.size(), width);
  const auto begin = values.end() - static_cast<std::ptrdiff_t>(count);
  double top = least_top;
  for (auto value = begin; value != values.end(); ++value) top = std::max(top, *value);
  std::string line(width - count, ' ');
  for (auto value = begin; value != values.end(); ++value) {
    const double share = top > 0 ? std::clamp(*value / top, 0.0, 1.0) : 0;
    const auto level = std::lround(share * static_cast<double>(kBlocks.size() - 1));
    line += kBlocks[static_cast<std::size_t>(level)];
  }
  return line;
}

}  // namespace pmx::cli::monit
