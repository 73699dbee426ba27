#include "cli/config/javascript_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "cli/config/javascript_loader.h"
#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/config/executable_search.h"
#include "common/sys/pidfd.h"

namespace pmx::cli {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr int kResultFd = 3;  // its number in node
constexpr std::size_t kLargest = std::size_t{4} << 20;

[[noreturn]] void fail(const std::string& what, const std::string& hint = {}) {
  throw Error(ErrorCode::invalid_spec, what, hint);
}

std::string reason(int code) { return std::generic_category().message(code); }

// What exec takes; `words` must outlive it.
std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// With these, node would take descriptor 3 for the channel to a parent, or itself for a worker.
bool is_of_a_node_parent(const std::string& name) {
  return name == "NODE_CHANNEL_FD" || name == "NODE_CHANNEL_SERIALIZATION_MODE" ||
         name == "NODE_UNIQUE_ID";
}

std::string node_on_path(const std::string& path, const Env& environment) {
  const auto variable = environment.find("PATH");
  const std::string directories = variable == environment.end() ? "" : variable->second;
  const auto node =
      ExecutableSearch(directories, std::filesystem::current_path().string()).find("node");
  if (!node) {
    fail(fmt::format("{}: there is no node on PATH, which evaluates it", path),
         "install Node.js, or write the file as .json, .yaml or .toml");
  }
  return *node;
}

// One node that evaluates a file; killed with this object if it still runs.
class Evaluation {
 public:
  Evaluation(std::string path, Clock::duration allowed)
      : path_(std::move(path)), allowed_(allowed), deadline_(Clock::now() + allowed) {}
  ~Evaluation() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

  void spawn(const std::string& node, const Env& environment) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
      fail(fmt::format("{}: cannot start node: pipe: {}", path_, reason(errno)));
    }
    result_.reset(pipe[0]);
    const UniqueFd write_end(pipe[1]);

    std::vector<std::string> words = {"node", "-e", kJavascriptLoader, absolute(path_)};
    std::vector<std::string> variables;
    for (const auto& [name, value] : environment) {
      if (!is_of_a_node_parent(name)) variables.push_back(fmt::format("{}={}", name, value));
    }
    posix_spawn_file_actions_t actions{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), kResultFd);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, kResultFd + 1);
    const int code = ::posix_spawn(&child_, node.c_str(), &actions, nullptr,
                                   pointers_to(words).data(), pointers_to(variables).data());
    ::posix_spawn_file_actions_destroy(&actions);
    if (code != 0) {
      child_ = 0;
      fail(fmt::format("{}: cannot start {}: {}", path_, node, reason(code)));
    }
  }

  // Up to the end of node.
  std::string result() {
    std::string text;
    std::array<char, 65536> buffer{};
    for (;;) {
      wait_readable(result_.get());
      const ssize_t got = ::read(result_.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(got));
      if (text.size() > kLargest) {
        fail(fmt::format("{}: it exports more than {} MiB", path_, kLargest >> 20));
      }
    }
    const UniqueFd ended = sys::pidfd_open(child_);
    if (ended) wait_readable(ended.get());
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = 0;
    if (!text.empty()) return text;
    const std::string how = WIFEXITED(status)
                                ? fmt::format("ended with exit code {}", WEXITSTATUS(status))
                                : fmt::format("was killed by signal {}", WTERMSIG(status));
    fail(fmt::format("{}: node {} before the file had exported anything", path_, how),
         "does it call process.exit(), or wait for something that never comes?");
  }

 private:
  static std::string absolute(const std::string& path) {
    return std::filesystem::absolute(path).lexically_normal().string();
  }

  void wait_readable(int fd) const {
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
      pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
      const int polled = left.count() <= 0 ? 0 : ::poll(&ready, 1, static_cast<int>(left.count()));
      if (polled > 0) return;
      if (polled < 0 && errno == EINTR) continue;
      fail(fmt::format("{}: it was not evaluated within {} s", path_,
                       std::chrono::duration<double>(allowed_).count()),
           "a configuration file exports data and ends");
    }
  }

  std::string path_;
  Clock::duration allowed_;
  Clock::time_point deadline_;
  UniqueFd result_;
  pid_t child_ = 0;
};

std::string text_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

[[noreturn]] void report(const Json& answer, const std::string& path) {
  const std::string message = text_member(answer, "message");
  std::string place = path;
  if (const auto line = answer.find("line"); line != answer.end() && line->is_number_integer()) {
    std::error_code ignored;
    const std::string file = text_member(answer, "file");
    const bool is_other = !std::filesystem::equivalent(file, path, ignored);
    place = fmt::format("{}:{}", is_other ? file : path, line->get<int>());
    if (is_other) place = fmt::format("{}: {}", path, place);
  }
  const bool needs_module = message.find("Unexpected token 'export'") != std::string::npos ||
                            message.find("import statement outside") != std::string::npos;
  fail(fmt::format("{}: {}", place, message),
       needs_module ? "for this version of node: name it .config.mjs, or write module.exports = ..."
                    : "");
}

}  // namespace

ConfigDocument read_javascript(const std::string& path, const Env& environment,
                               std::chrono::milliseconds deadline) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) fail(fmt::format("{} does not exist", path));
  const std::string node = node_on_path(path, environment);
  Evaluation evaluation(path, deadline);
  evaluation.spawn(node, environment);
  const std::string text = evaluation.result();
  Json answer = Json::parse(text, nullptr, false);
  if (!answer.is_object()) fail(fmt::format("{}: node gave no complete answer", path));
  const auto value = answer.find("value");
  if (value == answer.end()) report(answer, path);
  ConfigDocument document;
  document.file = path;
  document.root = std::move(*value);
  return document;
}

}  // namespace pmx::cli
