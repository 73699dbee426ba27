// Small questions about text.
#pragma once

#include <string_view>

namespace pmx {

// Well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view bytes) noexcept;

// Line breaks and other control characters of ASCII.
bool has_control(std::string_view text) noexcept;

}  // namespace pmx
