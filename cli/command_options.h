// The options of all commands, for those who have to know them without running a command. Each
// command is asked by its own --help: what it declares is the one list.
#pragma once

#include <vector>

#include "cli/arguments.h"
#include "cli/command_line.h"
#include "cli/command_table.h"

namespace pmx::cli {

std::vector<OptionInfo> options_of(const Command& command);
// Those that every command has; they are the first of options_of() too.
std::vector<OptionInfo> global_options();

// Of the commands in the table. Asks all of them, once, at the first question about an option.
Vocabulary vocabulary();

}  // namespace pmx::cli
