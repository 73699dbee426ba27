#include "cli/boot/program_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>

#include "common/base/error.h"
#include "common/config/executable_search.h"

namespace pmx::cli {
namespace {

constexpr int kNoProgram = 127;

constexpr std::array kDirectories{"/usr/local/sbin", "/usr/sbin", "/sbin",
                                  "/usr/local/bin",  "/usr/bin",  "/bin"};

std::optional<std::string> find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  const ExecutableSearch search(
      fmt::format("{}:{}", path == nullptr ? "" : path, fmt::join(kDirectories, ":")), "/");
  return search.find(name);
}

int run(const std::string& program, const std::vector<std::string>& words, bool quiet) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions{};
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (quiet) ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  pid_t child = 0;
  const int code =
      ::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (code != 0) {
    throw Error(ErrorCode::unavailable,
                fmt::format("cannot run {}: {}", program, std::generic_category().message(code)));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int run_program(const std::vector<std::string>& words) {
  const std::optional<std::string> program = find_program(words.front());
  if (!program)
    throw Error(ErrorCode::unavailable, fmt::format("there is no program {}", words.front()));
  return run(*program, words, false);
}

bool has_program(const std::string& name, const std::string& root) {
  if (root.empty()) return find_program(name).has_value();
  return std::ranges::any_of(kDirectories, [&](const char* directory) {
    return ExecutableSearch(root + directory, "/").find(name).has_value();
  });
}

int ask_program(const std::vector<std::string>& words) {
  const std::optional<std::string> program = find_program(words.front());
  return program ? run(*program, words, true) : kNoProgram;
}

}  // namespace pmx::cli
