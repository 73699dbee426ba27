// Small questions about text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pmx {

// Well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view bytes) noexcept;

// Line breaks and other control characters of ASCII.
bool has_control(std::string_view text) noexcept;

// "Did you mean ...?" The word of `known` with the fewest edits (insert, delete, change, swap
// neighbours; case does not count), if it is near enough to be a likely slip.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace pmx
