#include "cli/command_line.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace pmx::cli {
namespace {

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
                               const Vocabulary& vocabulary) {
  CommandLine result;
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  result.words.assign(arguments.begin(), dashes);
  if (dashes != arguments.end()) result.app_args.assign(dashes + 1, arguments.end());

  for (std::size_t i = 0; i < result.words.size(); ++i) {
    const std::string& word = result.words[i];
    if (word.size() > 1 && word.front() == '-') {
      if (i + 1 == result.words.size()) break;
      // `--name stop` is not the command `stop`, but `--err logs` is `logs`.
      const TakesValue takes_value = vocabulary.takes_value(word);
      const bool command_follows =
          takes_value == TakesValue::sometimes && vocabulary.is_command(result.words[i + 1]);
      if (takes_value != TakesValue::never && !command_follows) ++i;
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
