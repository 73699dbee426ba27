// Dates read back from text.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pmx {

struct ParsedDate {
  std::chrono::system_clock::time_point time;
  std::size_t length = 0;  // of the text that it was read from
};

// What format_date(pattern, ...) has written at the beginning of `text`. Nullopt: it is something
// else, or the pattern leaves out the day or the hour.
std::optional<ParsedDate> parse_date(std::string_view pattern, std::string_view text);

// ISO 8601 at the beginning of `text`: "2026-11-28T03:04", a blank instead of the T, seconds, their
// fraction and a zone as well. Without a zone: local time.
std::optional<ParsedDate> parse_iso_date(std::string_view text);

// "2026-11-28T03:04:05.123Z"
std::string iso_utc(std::chrono::system_clock::time_point time);

}  // namespace pmx
