#include "cli/command_options.h"

#include <map>
#include <string>

#include "cli/context.h"
#include "cli/output.h"

namespace pmx::cli {
namespace {

const CommandLine kAskForHelp{.command = {}, .words = {"--help"}, .app_args = {}};

using Uses = std::map<std::string, TakesValue>;

Uses uses_of_all_options() {
  Uses uses;
  for (const Command& command : all_commands()) {
    for (const OptionInfo& option : options_of(command)) {
      const TakesValue use =
          option.value == OptionInfo::Value::next_word ? TakesValue::always : TakesValue::never;
      for (const std::string& name : option.names) {
        const auto [known, is_new] = uses.emplace(name, use);
        if (!is_new && known->second != use) known->second = TakesValue::sometimes;
      }
    }
  }
  return uses;
}

TakesValue takes_value(const std::string& option) {
  // Asking costs more than most commands; these are the usual ones in front of a command.
  if (option == "-s" || option == "--silent" || option == "--no-color") return TakesValue::never;
  static const Uses uses = uses_of_all_options();
  const auto found = uses.find(option);
  return found == uses.end() ? TakesValue::never : found->second;
}

}  // namespace

std::vector<OptionInfo> options_of(const Command& command) {
  Context context{Output()};
  Arguments arguments(kAskForHelp, std::string(command.usage), {}, context.global);
  try {
    command.run(context, arguments);
  } catch (const HelpRequested& help) {
    return help.options;
  }
  return {};
}

std::vector<OptionInfo> global_options() {
  GlobalOptions global;
  Arguments arguments(kAskForHelp, {}, {}, global);
  try {
    arguments.parse();
  } catch (const HelpRequested& help) {
    return help.options;
  }
  return {};
}

Vocabulary vocabulary() { return {.is_command = is_command, .takes_value = takes_value}; }

}  // namespace pmx::cli
