// What `npm start` and its like stand for. Between pmx and the app they put a process, and mostly a
// shell, that is no worker of a Node cluster: then every instance binds the port for itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/model/app_spec.h"

namespace pmx {

// A call of npm, yarn or pnpm that runs a script of package.json.
struct PackageRun {
  std::string runner;              // "npm"
  std::string script;              // "start"
  std::vector<std::string> words;  // for the script, after its own
};

// The call that `words` ("npm", "run", "web", "--", "-v") make. nullopt: they are none.
std::optional<PackageRun> package_run(const std::vector<std::string>& words);

// The Node program that a script comes down to, with what the runner would have given it.
struct NodeProgram {
  std::string file;  // absolute
  std::vector<std::string> interpreter_args;
  std::vector<std::string> args;
  std::string directory;  // of the package: where it runs
  Env env;                // PATH and npm_..., over the app's own
};

// nullopt if only a shell can tell (operators, variables, globs), the program is not Node's, or
// another script must run before it. `path`: PATH of the app. Reads the file system.
std::optional<NodeProgram> resolve_package_run(const PackageRun& run, const std::string& cwd,
                                               const std::string& path);

}  // namespace pmx
