// Small questions about text.
#pragma once

#include <string_view>

namespace pmx {

// Well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view bytes) noexcept;

}  // namespace pmx
