// What happens to argv before any option is parsed: "--" splits off the app's own arguments, and
// the command's name is found wherever it stands between the options.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace pmx::cli {

// An unknown command, an unknown option or a bad value of one: exit code 2.
class UsageError : public std::runtime_error {
 public:
  explicit UsageError(const std::string& message, std::string hint = {})
      : std::runtime_error(message), hint_(std::move(hint)) {}
  [[nodiscard]] const std::string& hint() const noexcept { return hint_; }

 private:
  std::string hint_;
};

struct CommandLine {
  std::string command;                // as typed; empty: none given
  std::vector<std::string> words;     // options and targets in their order, without the command
  std::vector<std::string> app_args;  // what follows "--", byte for byte
};

// Whether the word behind an option is its value; sometimes: one command has it as a flag, another
// with a value.
enum class TakesValue { never, sometimes, always };

// What is known of all commands together: options may stand before the command.
struct Vocabulary {
  bool (*is_command)(const std::string& word);           // names and aliases
  TakesValue (*takes_value)(const std::string& option);  // with its dashes
};

// `arguments` without the program's name.
CommandLine split_command_line(const std::vector<std::string>& arguments,
                               const Vocabulary& vocabulary);

}  // namespace pmx::cli
