#include "cli/command_line.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace pmx::cli {
namespace {

// Options whose value is the next word: needed to tell `--name stop` from the command `stop`.
constexpr std::array<std::string_view, 40> kWithValue = {"-n",
                                                         "--name",
                                                         "-i",
                                                         "--instances",
                                                         "--interpreter",
                                                         "--interpreter-args",
                                                         "--node-args",
                                                         "--cwd",
                                                         "--namespace",
                                                         "-o",
                                                         "--output",
                                                         "--out",
                                                         "-e",
                                                         "--error",
                                                         "--err",
                                                         "--restart-delay",
                                                         "--exp-backoff-restart-delay",
                                                         "--max-restarts",
                                                         "--min-uptime",
                                                         "--stop-exit-codes",
                                                         "-k",
                                                         "--kill-timeout",
                                                         "--listen-timeout",
                                                         "--only",
                                                         "--lines",
                                                         "--highlight",
                                                         "--sort",
                                                         "--exec-mode",
                                                         "--instance-var",
                                                         "--env",
                                                         "--log-date-format",
                                                         "--log-type",
                                                         "--schedule",
                                                         "--overlap",
                                                         "--timeout",
                                                         "--retries",
                                                         "--retry-delay",
                                                         "--parallel",
                                                         "--delay",
                                                         "--exit-code-from"};

bool takes_value(std::string_view word) {
  return std::find(kWithValue.begin(), kWithValue.end(), word) != kWithValue.end();
}

// On `logs` these are flags, so `--err logs` must find the command.
bool may_be_flag(std::string_view word) { return word == "--out" || word == "--err"; }

bool is_code_list(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789, ") == std::string_view::npos;
}

// `--stop-exit-codes 3 5` means both: the codes that follow become one value.
void join_stop_exit_codes(std::vector<std::string>& words) {
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] != "--stop-exit-codes") continue;
    while (i + 2 < words.size() && is_code_list(words[i + 1]) && is_code_list(words[i + 2])) {
      words[i + 1] += "," + words[i + 2];
      words.erase(words.begin() + static_cast<std::ptrdiff_t>(i) + 2);
    }
  }
}

}  // namespace

CommandLine split_command_line(const std::vector<std::string>& arguments,
                               bool (*is_command)(const std::string&)) {
  CommandLine result;
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  result.words.assign(arguments.begin(), dashes);
  if (dashes != arguments.end()) result.app_args.assign(dashes + 1, arguments.end());

  for (std::size_t i = 0; i < result.words.size(); ++i) {
    const std::string& word = result.words[i];
    if (word.size() > 1 && word.front() == '-') {
      const bool command_follows =
          i + 1 < result.words.size() && may_be_flag(word) && is_command(result.words[i + 1]);
      if (takes_value(word) && !command_follows) ++i;
      continue;
    }
    result.command = word;
    result.words.erase(result.words.begin() + static_cast<std::ptrdiff_t>(i));
    break;
  }
  join_stop_exit_codes(result.words);
  return result;
}

}  // namespace pmx::cli
