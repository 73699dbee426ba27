#include <doctest/doctest.h>

#include <map>
#include <string>

#include "cli/arguments.h"
#include "cli/command_options.h"
#include "cli/command_table.h"
#include "cli/context.h"

namespace pmx::cli {
namespace {

std::string help_of(const std::string& name) {
  const Command* command = find_command(name);
  REQUIRE(command != nullptr);
  Output output;
  Context context(output);
  const CommandLine line{name, {"--help"}, {}};
  Arguments arguments(line, std::string(command->usage), std::string(command->summary),
                      context.global);
  try {
    command->run(context, arguments);
  } catch (const HelpRequested& help) {
    return help.text;
  }
  return {};
}

TEST_CASE("help of stop") {
  CHECK(help_of("stop") == R"(stop apps, keep them in the list
Usage: pmx stop <target>... [OPTIONS]

Options:
  -h,--help                   print this help
  -s,--silent                 print payloads and errors only
  --no-color                  no colours (also NO_COLOR=1)
  --json                      one JSON object on stdout
  --system                    the machine's own instance (pmx.service)
  --watch                     accepted for pm2's sake: a stop ends watching anyway
  --only NAMES                of a configuration file: these apps only

)");
}

TEST_CASE("every command has help with its usage, and needs no daemon for it") {
  for (const Command& command : all_commands()) {
    const std::string name(command.names.substr(0, command.names.find(' ')));
    CAPTURE(name);
    const std::string help = help_of(name);
    CHECK(help.find("Usage: pmx " + std::string(command.usage)) != std::string::npos);
    CHECK(full_help().find("  " + name) != std::string::npos);
  }
}

TEST_CASE("every command is in one group of the list, every option has a text") {
  std::map<const Command*, int> places;
  for (const CommandGroup& group : command_groups())
    for (const Command* command : commands_of(group)) ++places[command];
  for (const Command& command : all_commands()) {
    CAPTURE(command.names);
    CHECK(places[&command] == 1);
    CHECK_FALSE(command.summary.empty());
    CHECK(command.usage.starts_with(names_of(command).front()));
    for (const OptionInfo& option : options_of(command)) {
      REQUIRE_FALSE(option.names.empty());
      CAPTURE(option.names.front());
      CHECK_FALSE(option.help.empty());
      CHECK((option.value == OptionInfo::Value::none) == option.what.empty());
    }
  }
}

TEST_CASE("aliases") {
  for (const auto& [alias, name] : {std::pair{"del", "delete"},
                                    {"ls", "list"},
                                    {"l", "list"},
                                    {"ps", "list"},
                                    {"status", "list"},
                                    {"desc", "describe"},
                                    {"info", "describe"},
                                    {"show", "describe"},
                                    {"log", "logs"},
                                    {"dump", "save"}}) {
    CHECK(find_command(alias) == find_command(name));
  }
  CHECK(find_command("") == nullptr);
  CHECK(find_command("list ls") == nullptr);
}

TEST_CASE("help is at most 100 columns wide") {
  for (std::string text = full_help() + short_usage(); !text.empty();) {
    const std::size_t end = text.find('\n');
    CHECK(end <= 100);
    text.erase(0, end + 1);
  }
}

}  // namespace
}  // namespace pmx::cli
