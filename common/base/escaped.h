// Bytes in messages.
#pragma once

#include <string>
#include <string_view>

namespace pmx {

// What is not printable ASCII as "\xff".
std::string escaped(std::string_view bytes);

}  // namespace pmx
