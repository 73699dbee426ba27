// `pmx __complete`, which the scripts in completions/ call at each press of the Tab key.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/context.h"

namespace pmx::cli {

inline constexpr std::string_view kCompleteWord = "__complete";

// `asked`: "words", then the words behind "pmx" with the one at the cursor last; or "bash", the line
// up to the cursor and COMP_WORDBREAKS. The first line of the answer is what the shell adds itself
// ("nothing", "files", ...), each other one a word: behind "words" with a tab and its description,
// for bash quoted, and only those that go on with what has been typed. Asks a daemon that runs, and
// never starts one. What goes wrong makes the answer shorter, no more.
std::string answer_completion(Context& context, const std::vector<std::string>& asked);

}  // namespace pmx::cli
