// pmx: the command line. Thin: parses, asks the daemon, prints.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/command_line.h"
#include "cli/command_options.h"
#include "cli/command_table.h"
#include "cli/completion/answer.h"
#include "cli/context.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "common/base/build_info.h"
#include "common/base/error.h"
#include "common/base/text.h"

namespace pmx::cli {
namespace {

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& command : all_commands())
    for (std::string& name : names_of(command)) names.push_back(std::move(name));
  return names;
}

// `pmx help NAME` is `pmx NAME --help`.
void turn_help_around(CommandLine& line) {
  if (line.command != "help" || line.words.size() != 1 || line.words.front().starts_with('-'))
    return;
  line.command = std::exchange(line.words.front(), "--help");
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
    if (word == "-s" || word == "--silent" || word == "--no-color" || word == "--json") continue;
    throw UsageError(fmt::format("unknown option {}", word), "see pmx --help");
  }
  output.payload(short_usage());
  return kFailed;
}

// Under the names of pm2's container entry points, `pmx run` is called; "start" may be said, and need not.
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  std::string_view name = argc > 0 ? argv[0] : "";
  name.remove_prefix(name.rfind('/') + 1);
  const bool is_entry_point = name.ends_with("-runtime") || name.ends_with("-docker");
  const bool asks_version = !words.empty() && (words[0] == "-v" || words[0] == "--version");
  if (!is_entry_point || asks_version) return words;
  if (!words.empty() && words[0] == "start") words.erase(words.begin());
  words.insert(words.begin(), "run");
  return words;
}

int run(const CommandLine& line, const Output& output) {
  if (line.command.empty()) return run_without_command(line, output);
  const Command* command = find_command(line.command);
  if (command == nullptr) {
    if (const auto instead = instead_of_pm2_command(line.command)) {
      throw UsageError(fmt::format("pmx has no command \"{}\", which pm2 has", line.command),
                       std::string(*instead));
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
  Output output;
  if (!words.empty() && words.front() == kCompleteWord) {
    Context context(output);
    output.payload(answer_completion(context, {words.begin() + 1, words.end()}));
    return kDone;
  }
  CommandLine line = split_command_line(words, vocabulary());
  turn_help_around(line);
  if (std::find(line.words.begin(), line.words.end(), "--json") != line.words.end()) {
    const Command* command = find_command(line.command);
    output.use_json(command == nullptr ? line.command : names_of(*command).front());
  }
  int code = kFailed;
  try {
    code = run(line, output);
  } catch (const HelpRequested& help) {
    output.stream();
    output.payload(help.text);
    code = kDone;
  } catch (const UsageError& error) {
    output.usage_error(error.what(), error.hint());
    code = kBadUsage;
  } catch (const Error& error) {
    output.error(error);
    code = exit_code_of(error.code());
  } catch (const std::exception& error) {
    output.error(error.what());
  }
  output.finish(code);
  return code;
}

}  // namespace
}  // namespace pmx::cli

int main(int argc, char** argv) {
  // A closed reader (`pmx list | head -1`) ends pmx quietly, whatever the caller ignores.
  std::signal(SIGPIPE, SIG_DFL);
  const int code = pmx::cli::run_and_report(pmx::cli::words_of(argc, argv));
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  const std::string why = errno != 0 ? std::strerror(errno) : "write error";
  std::fputs(("[PMX][ERROR] cannot write the output: " + why + "\n").c_str(), stderr);
  return code == 0 ? 1 : code;
}
