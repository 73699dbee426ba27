#include "cli/boot/program_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <system_error>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
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

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// `prepare` adds what becomes of stdout and stderr; stdin is /dev/null.
pid_t spawn(const std::string& program, const std::vector<std::string>& words,
            const std::function<void(posix_spawn_file_actions_t&)>& prepare) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions{};
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  prepare(actions);
  pid_t child = 0;
  const int code =
      ::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (code != 0) {
    throw Error(ErrorCode::unavailable,
                fmt::format("cannot run {}: {}", program, std::generic_category().message(code)));
  }
  return child;
}

int run(const std::string& program, const std::vector<std::string>& words, bool quiet) {
  return wait_for(spawn(program, words, [quiet](posix_spawn_file_actions_t& actions) {
    if (quiet)
      ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  }));
}

// Until its end. False: it does not come by `deadline`.
bool read_all(int fd, std::chrono::steady_clock::time_point deadline, std::string& text) {
  std::array<char, 65536> buffer{};
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd readable{fd, POLLIN, 0};
    const int ready = ::poll(&readable, 1, static_cast<int>(std::max<long>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return true;
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
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

std::string output_of_program(const std::vector<std::string>& words, std::chrono::seconds within) {
  const std::optional<std::string> program = find_program(words.front());
  if (!program)
    throw Error(ErrorCode::unavailable, fmt::format("there is no program {}", words.front()));
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot make a pipe");
  const UniqueFd output(pipe[0]);
  UniqueFd input(pipe[1]);
  const pid_t child = spawn(*program, words, [&input](posix_spawn_file_actions_t& actions) {
    ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
  });
  input.reset();
  std::string text;
  const bool ended = read_all(output.get(), std::chrono::steady_clock::now() + within, text);
  if (!ended) ::kill(child, SIGKILL);
  const int exit_code = wait_for(child);
  if (!ended)
    throw Error(ErrorCode::timeout,
                fmt::format("{} has not ended within {} s", words.front(), within.count()));
  if (exit_code != 0)
    throw Error(ErrorCode::unavailable,
                fmt::format("{} ended with exit code {}", words.front(), exit_code));
  return text;
}

}  // namespace pmx::cli
