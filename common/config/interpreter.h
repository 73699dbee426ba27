// Which program runs a script: by the user's wish, the extension, the shebang or the content
// (pm2-surface 6.1).
#pragma once

#include <string>
#include <string_view>

#include "common/config/executable_search.h"

namespace pmx {

struct Interpreter {
  std::string name;     // as shown: "node", "python3", an absolute path, "none"
  std::string path;     // absolute; empty for "none"
  bool python = false;  // Python runs it, directly or by its "#!" line
};

// What runs `script` (absolute path of a file). Throws Error(invalid_spec) naming the script, what
// is wrong and the cure; std::system_error if it cannot be read.
Interpreter choose_interpreter(const std::string& script, const ExecutableSearch& search);

// The interpreter `wish` (a name on PATH, a path, or "none") for `script`. Throws as above.
Interpreter wished_interpreter(const std::string& wish, const std::string& script,
                               const ExecutableSearch& search);

// The shell that runs the text of a command: bash, else sh. Throws Error(invalid_spec).
Interpreter shell_interpreter(const ExecutableSearch& search);

}  // namespace pmx
