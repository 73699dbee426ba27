// The one list of commands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "cli/context.h"

namespace pmx::cli {

struct Command {
  std::string_view names;    // the name, then its aliases, separated by blanks
  std::string_view usage;    // without "pmx "
  std::string_view summary;  // one line
  // Returns the exit code. Declares its options on `arguments`, then has `context` parse them.
  int (*run)(Context& context, Arguments& arguments);
};

const std::vector<Command>& all_commands();
// The first of its names.
inline std::string_view name_of(const Command& command) {
  return command.names.substr(0, command.names.find(' '));
}
// By name or alias; nullptr if there is none.
const Command* find_command(std::string_view name);
bool is_command(const std::string& name);
// Whether pm2 has a command of that name and pmx has not (yet).
bool is_missing_pm2_command(std::string_view name);

// `pmx` alone, and `pmx --help`.
std::string short_usage();
std::string full_help();

}  // namespace pmx::cli
