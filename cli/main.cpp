// pmx: the command line. Thin: parses, asks the daemon, prints.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "cli/command_table.h"
#include "cli/context.h"
#include "cli/output.h"
#include "common/base/build_info.h"
#include "common/base/error.h"
#include "common/base/text.h"

namespace pmx::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kBadUsage = 2;

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& command : all_commands()) {
    std::string_view rest = command.names;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      names.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return names;
}

// Options without a command.
int run_without_command(const CommandLine& line, const Output& output) {
  for (const std::string& word : line.words) {
    if (word == "-v" || word == "--version") {
      output.payload(fmt::format("{}\n", kVersion));
      return 0;
    }
    if (word == "-h" || word == "--help") {
      output.payload(full_help());
      return 0;
    }
  }
  for (const std::string& word : line.words) {
    if (word == "-s" || word == "--silent" || word == "--no-color") continue;
    throw UsageError(fmt::format("unknown option {}", word), "see pmx --help");
  }
  output.payload(short_usage());
  return kFailed;
}

int run(const std::vector<std::string>& words, const Output& output) {
  CommandLine line = split_command_line(words, is_command);
  if (line.command == "help") {
    output.payload(full_help());
    return 0;
  }
  if (line.command.empty()) return run_without_command(line, output);
  const Command* command = find_command(line.command);
  if (command == nullptr) {
    if (const auto instead = instead_of_pm2_command(line.command)) {
      throw UsageError(fmt::format("pmx has no command \"{}\", which pm2 has", line.command),
                       fmt::format("instead: {}", *instead));
    }
    const auto near = nearest(line.command, command_names());
    throw UsageError(fmt::format("unknown command \"{}\"", line.command),
                     near ? fmt::format("did you mean `pmx {}`?", *near) : "see pmx --help");
  }
  Context context(output);
  Arguments arguments(line, std::string(command->usage), std::string(command->summary),
                      context.global);
  return command->run(context, arguments);
}

int run_and_report(const std::vector<std::string>& words) {
  const Output output;
  try {
    return run(words, output);
  } catch (const HelpRequested& help) {
    output.payload(help.text);
    return 0;
  } catch (const UsageError& error) {
    output.error(error.what(), error.hint());
    return kBadUsage;
  } catch (const Error& error) {
    output.error(error);
  } catch (const std::exception& error) {
    output.error(error.what());
  }
  return kFailed;
}

}  // namespace
}  // namespace pmx::cli

int main(int argc, char** argv) {
  // A closed reader (`pmx list | head -1`) ends pmx quietly, whatever the caller ignores.
  std::signal(SIGPIPE, SIG_DFL);
  const int code = pmx::cli::run_and_report({argv + 1, argv + argc});
  if (std::fflush(stdout) != 0 && code == 0) return 1;
  return code;
}
