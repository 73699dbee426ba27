// Small readings of text that users type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/app_spec.h"

namespace pmx {

// Splits on blanks; "double" and 'single' quotes keep a part together and are removed. A quote that
// is never closed counts as an ordinary character.
std::vector<std::string> split_words(std::string_view text);

// All of `text` as a decimal number with an optional minus sign.
std::optional<int> parse_integer(std::string_view text);

// "1500" or "1500ms", "5s", "10m", "1h". Not negative, at most 2^31 - 1 ms.
std::optional<Millis> parse_duration(std::string_view text);

// "1048576" (bytes), "200K", "200M", "1.5G"; powers of 1024, also with a B behind.
std::optional<std::uint64_t> parse_size(std::string_view text);

// "0,3,5" or "0 3 5", each 0..255.
std::optional<std::vector<int>> parse_exit_codes(std::string_view text);

}  // namespace pmx
