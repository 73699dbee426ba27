// What the word a user typed stands for: a file, a directory of a Node package, a program on PATH
// or a shell command.
#pragma once

#include <string>

#include "common/config/executable_search.h"

namespace pmx {

struct LaunchTarget {
  std::string script;  // absolute path, or the shell text
  bool shell = false;
  std::string directory;  // where the search for its package.json begins
};

// Relative targets count from `cwd` (absolute). With `may_be_shell` a text with a blank that is no
// file is a shell command. Throws Error(invalid_spec) with what was looked for.
LaunchTarget resolve_target(const std::string& target, const std::string& cwd,
                            const std::string& home_dir, bool may_be_shell,
                            const ExecutableSearch& search);

// Has a blank, as commands have.
bool has_blank(std::string_view text) noexcept;

}  // namespace pmx
