// Our block of lines in a file that belongs to a user, as a shell's rc file: between two marks, so
// that it is found again.
#pragma once

#include <string>
#include <string_view>

namespace pmx::cli {

// `text` with `lines` in the block, in its place or at the end. Throws Error if it has only one of
// the marks, or more than one block.
std::string with_block(std::string_view text, std::string_view lines);
// `text` without the block; all else stays, byte for byte.
std::string without_block(std::string_view text);

}  // namespace pmx::cli
