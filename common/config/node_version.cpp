#include "common/config/node_version.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "common/base/unique_fd.h"

namespace pmx {
namespace {

using std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{5};
constexpr std::size_t kLongestAnswer = 256;

// What arrives until the end of the output, the limit or the deadline.
std::string read_answer(int fd) {
  std::string answer;
  const auto deadline = steady_clock::now() + kPatience;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0 || answer.size() >= kLongestAnswer) return answer;
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(left.count())) <= 0) continue;
    std::array<char, kLongestAnswer> block{};
    const ssize_t count = ::read(fd, block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return answer;
    answer.append(block.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace

bool NodeVersion::strips_types() const noexcept {
  if (line == 22) return minor_number >= 18;
  if (line == 23) return minor_number >= 6;
  return line > 23;
}

std::string NodeVersion::text() const {
  return line == 0 ? "(unknown version)" : fmt::format("{}.{}", line, minor_number);
}

NodeVersion node_version(const std::string& program) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::string name = program;
  std::string option = "--version";
  std::array<char*, 3> argv{name.data(), option.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawn(&child, program.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return {};

  write_end.reset();
  const std::string answer = read_answer(read_end.get());
  ::kill(child, SIGKILL);  // it has answered, or never will
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return parse_node_version(answer);
}

NodeVersion parse_node_version(const std::string& text) {
  NodeVersion version;
  if (std::sscanf(text.c_str(), "v%d.%d", &version.line, &version.minor_number) != 2) return {};
  return version;
}

}  // namespace pmx
