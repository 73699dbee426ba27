// A series of numbers as a line of block characters.
#pragma once

#include <cstddef>
#include <deque>
#include <string>

namespace pmx::cli::monit {

// The newest `width` values, the newest at the right end; blanks where there are none yet. The
// highest block stands for the largest value, at least for `least_top`. Always `width` columns wide.
std::string sparkline(const std::deque<double>& values, std::size_t width, double least_top);

}  // namespace pmx::cli::monit
