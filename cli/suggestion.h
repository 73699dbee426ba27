// "Did you mean ...?"
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pmx::cli {

// The word of `known` with the fewest edits (insert, delete, change, swap neighbours), if it is
// near enough to be a likely slip.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace pmx::cli
