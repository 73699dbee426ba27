// The options and targets of one command. Each command declares what it takes, bound to its own
// variables, then calls parse(). Keeps CLI11 out of every other file.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command_line.h"

namespace pmx::cli {

// What every command accepts.
struct GlobalOptions {
  bool silent = false;    // -s: payloads and errors only
  bool no_color = false;  // --no-color
  bool json = false;      // --json: one object on stdout (output.h)
  bool system = false;    // --system: the machine's own instance
};

// An option as a command has declared it: for help, completions and the manual.
struct OptionInfo {
  enum class Value { none, attached, next_word };  // attached: --name=TEXT, or nothing

  std::vector<std::string> names;  // with their dashes
  Value value = Value::none;
  std::string what;  // stands for the value: "FILE", or the words it may be: "slots|shared|rr"
  std::string help;
};

// Thrown by parse() for -h and --help.
struct HelpRequested {
  std::string text;
  std::vector<OptionInfo> options;
};

class Arguments {
 public:
  // `usage` is the part after "pmx ", e.g. "stop <target>...".
  Arguments(const CommandLine& line, const std::string& usage, const std::string& summary,
            GlobalOptions& global);
  ~Arguments();
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  // `names` as in "-n,--name"; the variables must outlive parse(). "--json" is known to every command:
  // declaring it says what it means here. `what` is read by completions (completion/places.h).
  void flag(const std::string& names, bool& value, const std::string& help);
  // A flag that may carry text: --timestamp or --timestamp=FORMAT; `implied` is what it means
  // alone. With `takes` also --timestamp FORMAT, if that holds of the next word.
  void flag_with_text(const std::string& name, std::optional<std::string>& value,
                      const std::string& implied, const std::string& help,
                      const std::function<bool(std::string_view)>& takes = {});
  void text(const std::string& names, std::optional<std::string>& value, const std::string& what,
            const std::string& help);
  // Whole numbers; negative ones too.
  void number(const std::string& names, std::optional<int>& value, const std::string& what,
              const std::string& help);
  // May be given several times; no splitting.
  void list(const std::string& names, std::vector<std::string>& values, const std::string& what,
            const std::string& help);
  // What is not an option. Without this call none is allowed.
  void words(const std::string& name, std::vector<std::string>& value, std::size_t least,
             std::size_t most);
  // Words such as "-2" are values here, not options (scale).
  void allow_negative_words() { negative_words_ = true; }

  // Throws UsageError (options), Error (too many or too few words) or HelpRequested.
  void parse();

  [[nodiscard]] const std::vector<std::string>& app_args() const { return app_args_; }
  [[nodiscard]] const std::string& usage() const { return usage_; }

  static constexpr std::size_t kAny = 100000;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
  GlobalOptions& global_;
  bool* json_ = nullptr;  // where a command wants to see --json, too
  std::vector<std::string> given_;
  std::vector<std::string> app_args_;
  std::string usage_;
  bool negative_words_ = false;
  struct Words {
    std::vector<std::string>* value = nullptr;
    std::string name;
    std::size_t least = 0;
    std::size_t most = 0;
  };
  Words words_;
};

}  // namespace pmx::cli
