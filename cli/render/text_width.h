// How many terminal columns a UTF-8 text takes, without the C library's locale.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pmx::cli {

// Combining marks and control bytes take no column, wide East Asian characters and emoji two.
// Bytes that are not UTF-8 count as one column each.
std::size_t display_width(std::string_view text) noexcept;

// `text` cut to at most `columns`; the last column of what was cut is an ellipsis.
std::string shorten(std::string_view text, std::size_t columns);

// How many bytes of `text` fill at most `columns`, at least one character of a text that is not empty.
std::size_t bytes_within(std::string_view text, std::size_t columns) noexcept;

// A terminal must not obey an app's name: control characters become '?', bad UTF-8 U+FFFD.
std::string printable(std::string_view text);

}  // namespace pmx::cli
