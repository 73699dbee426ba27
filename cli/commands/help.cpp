// pmx help; of one command it is that command's --help (main.cpp).
#include "cli/command_table.h"
#include "cli/commands/commands.h"

namespace pmx::cli {

int run_help(Context& context, Arguments& arguments) {
  std::vector<std::string> commands;
  arguments.words("command", commands, 0, 1);
  context.parse(arguments);
  context.output.payload(full_help());
  return 0;
}

}  // namespace pmx::cli
