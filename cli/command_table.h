// The one list of commands.
#pragma once

#include <optional>
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
// By name or alias; nullptr if there is none.
const Command* find_command(std::string_view name);
bool is_command(const std::string& name);
// Of a command that pm2 has and pmx has not: what to use instead. Nullopt: pm2 has no such command.
std::optional<std::string_view> instead_of_pm2_command(std::string_view name);

// `pmx` alone, and `pmx --help`.
std::string short_usage();
std::string full_help();

}  // namespace pmx::cli
