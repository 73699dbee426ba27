// Text as a screen needs it: without escape sequences, padded, cut and wrapped to columns.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pmx::cli::monit {

// ASCII letters only.
std::string lower_case(std::string_view text);

// A line of a log without what would steer the terminal: escape sequences are left out, tabs become
// blanks, other control characters '?'.
std::string plain_line(std::string_view line);

// Exactly `width` columns: cut with an ellipsis, or padded with blanks.
std::string fitted(std::string_view text, int width, bool right = false);

// Rows of at most `width` (at least 1) columns; at least one, which may be empty. The rows are parts
// of `text`, nothing is left out.
std::vector<std::string_view> wrapped(std::string_view text, int width);

}  // namespace pmx::cli::monit
