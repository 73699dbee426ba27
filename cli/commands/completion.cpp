// pmx completion: the script for a shell, printed or called from its rc file.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "cli/commands/commands.h"
#include "cli/completion/rc_block.h"
#include "cli/completion/scripts.h"
#include "common/sys/file.h"

namespace pmx::cli {
namespace {

struct Shell {
  std::string_view name;
  const char* script;
  std::string_view home_variable;  // of the directory of its rc file; else below HOME
  std::string_view below_home, rc_file;
  std::string_view rc_lines;
};

constexpr auto kShells = std::to_array<Shell>({
    {"bash", kBashCompletion, "", "", ".bashrc",
     "command -v pmx >/dev/null && eval \"$(pmx completion bash)\"\n"},
    {"zsh", kZshCompletion, "ZDOTDIR", "", ".zshrc",
     "if command -v pmx >/dev/null; then\n"
     "  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"
     "  eval \"$(pmx completion zsh)\"\n"
     "fi\n"},
    {"fish", kFishCompletion, "XDG_CONFIG_HOME", "/.config", "fish/config.fish",
     "command -q pmx; and pmx completion fish | source\n"},
});

const Shell* find_shell(std::string_view name) {
  const auto* const found = std::find_if(kShells.begin(), kShells.end(),
                                         [&](const Shell& shell) { return shell.name == name; });
  return found == kShells.end() ? nullptr : found;
}

std::string environment(std::string_view name) {
  const char* value = name.empty() ? nullptr : std::getenv(std::string(name).c_str());
  return value == nullptr ? std::string() : value;
}

const Shell& shell_of_user() {
  const std::string path = environment("SHELL");
  const Shell* shell = find_shell(path.substr(path.rfind('/') + 1));
  if (shell == nullptr)
    throw UsageError(fmt::format("the shell in use (SHELL={}) is none that pmx knows", path),
                     "say which: pmx completion bash, zsh or fish");
  return *shell;
}

std::string rc_path(const Shell& shell) {
  std::string directory = environment(shell.home_variable);
  if (directory.empty()) {
    const std::string home = environment("HOME");
    if (home.empty()) throw Error(ErrorCode::invalid_request, "HOME is not set");
    directory = home + std::string(shell.below_home);
  }
  // People link these files to where they keep them: the link stays.
  std::error_code none;
  const std::filesystem::path path = std::filesystem::path(directory) / shell.rc_file;
  const std::filesystem::path real = std::filesystem::canonical(path, none);
  return none ? path.string() : real.string();
}

void change_rc_file(const Context& context, const Shell& shell, bool install) {
  const std::string path = rc_path(shell);
  const std::optional<std::string> present = sys::read_file(path);
  std::string wanted;
  try {
    wanted = install ? with_block(present.value_or(""), shell.rc_lines)
                     : without_block(present.value_or(""));
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", path, error.what()), error.hint());
  }
  if (wanted == present.value_or("")) {
    context.output.info(fmt::format("{} {}: nothing changed", path,
                                    install ? "has it already" : "has nothing of pmx"));
    return;
  }
  struct stat status {};
  const mode_t mode = ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0644U;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  sys::replace_file(path, wanted, mode);
  context.output.info(install ? fmt::format("{} calls `pmx completion {}` now: open another {}",
                                            path, shell.name, shell.name)
                              : fmt::format("{} is without pmx again", path));
}

}  // namespace

int run_completion(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  arguments.words("bash, zsh or fish", words, 0, 2);
  context.parse(arguments);
  const bool install = !words.empty() && words.front() == "install";
  const bool uninstall = !words.empty() && words.front() == "uninstall";
  if (install || uninstall) words.erase(words.begin());
  if (words.size() > 1) throw UsageError("one shell at a time", "bash, zsh or fish");
  const Shell* shell = words.empty() ? &shell_of_user() : find_shell(words.front());
  if (shell == nullptr)
    throw UsageError(fmt::format("no completion for \"{}\"", words.front()),
                     "bash, zsh or fish; before it: install or uninstall");
  if (install || uninstall) {
    change_rc_file(context, *shell, install);
  } else {
    context.output.payload(shell->script);
  }
  return 0;
}

}  // namespace pmx::cli
