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
  // Returns the exit code. Declares its options on `arguments` and has `context` parse them before
  // anything else: it is also called to be asked for its options (command_options.h).
  int (*run)(Context& context, Arguments& arguments);
};

const std::vector<Command>& all_commands();
// The name, then the aliases.
std::vector<std::string> names_of(const Command& command);
// By name or alias; nullptr if there is none.
const Command* find_command(std::string_view name);
bool is_command(const std::string& name);
// Of a command that pm2 has and pmx has not: what to use instead. Nullopt: pm2 has no such command.
std::optional<std::string_view> instead_of_pm2_command(std::string_view name);

// What --help and the manual put together. Each command is in one group.
struct CommandGroup {
  std::string_view title;
  std::string_view commands;  // their names, separated by blanks
};
const std::vector<CommandGroup>& command_groups();
// In the order of the group.
std::vector<const Command*> commands_of(const CommandGroup& group);

// `pmx` alone, and `pmx --help`.
std::string short_usage();
std::string full_help();

}  // namespace pmx::cli
