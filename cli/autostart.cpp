#include "cli/autostart.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include "cli/running_keeper.h"
#include "cli/unit_store.h"
#include "common/base/error.h"
#include "common/sys/cgroup.h"

namespace pmx::cli {
namespace {

constexpr unsigned kLockSeconds = 30;
constexpr std::chrono::seconds kReadyWithin{20};
constexpr int kReconnectEvery = 20;  // milliseconds
constexpr int kReadyFd = 3;          // its number in the keeper
constexpr std::size_t kLogTailBytes = 1500;

[[noreturn]] void fail(const std::string& what, const std::string& hint = {}) {
  throw Error(ErrorCode::unavailable, what, hint);
}

std::string reason(int code) { return std::generic_category().message(code); }

// flock(2) that gives up: an alarm interrupts it.
UniqueFd take_lock(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) {
    fail(fmt::format("cannot open {}: {}", path, reason(errno)),
         "set PMX_HOME to a directory that you may write");
  }
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGALRM, &action, &before);  // without SA_RESTART
  ::alarm(kLockSeconds);
  const int locked = ::flock(fd.get(), LOCK_EX);
  const int code = errno;
  ::alarm(0);
  ::sigaction(SIGALRM, &before, nullptr);
  if (locked == 0) return fd;
  if (code == EINTR) {
    fail(fmt::format("another pmx has been starting the daemon for {} s (lock {})", kLockSeconds,
                     path),
         "see who holds it: fuser " + path);
  }
  fail(fmt::format("cannot lock {}: {}", path, reason(code)));
}

std::string own_directory() {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t length = ::readlink("/proc/self/exe", buffer.data(), buffer.size());
  if (length <= 0) fail(fmt::format("cannot read /proc/self/exe: {}", reason(errno)));
  const std::string_view path(buffer.data(), static_cast<std::size_t>(length));
  return std::string(path.substr(0, path.rfind('/')));
}

// The end of the daemon's log, written since `from`.
std::string log_since(const std::string& path, off_t from) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return {};
  std::array<char, kLogTailBytes> buffer{};
  const off_t tail = status.st_size - static_cast<off_t>(buffer.size());
  const ssize_t got = ::pread(fd.get(), buffer.data(), buffer.size(), std::max(from, tail));
  if (got <= 0) return {};
  std::string text(buffer.data(), static_cast<std::size_t>(got));
  if (tail > from) text.erase(0, text.find('\n') + 1);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// The daemon lives longer than this shell and serves others: of the shell's variables it gets what a
// daemon needs, no secrets and nothing of an app.
bool is_for_daemon(std::string_view variable) {
  const std::string_view name = variable.substr(0, variable.find('='));
  constexpr std::array<std::string_view, 9> kNames = {
      "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"};
  constexpr std::array<std::string_view, 6> kPrefixes = {"LC_",   "LD_",    "PMX_",
                                                         "ASAN_", "UBSAN_", "LSAN_"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
         std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

std::vector<std::string> daemon_environment(const std::string& home, bool is_transient) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const bool is_ours = text.starts_with("PMX_HOME=") || text.starts_with("PMX_TRANSIENT=");
    if (is_for_daemon(text) && !is_ours) variables.emplace_back(text);
  }
  variables.push_back("PMX_HOME=" + home);
  if (is_transient) variables.emplace_back("PMX_TRANSIENT=1");
  return variables;
}

// What exec takes; `words` must outlive it.
std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// "pmxd --restore": a new keeper gets the descriptors that systemd has kept of the last one.
bool restore_keeper(const Paths& paths, const StoredDescriptors& stored) {
  const std::string log = paths.log();  // must live until the spawn
  posix_spawn_file_actions_t actions{};
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  const std::string daemon = own_directory() + "/pmxd";
  std::vector<std::string> words = {daemon, "--home", paths.home(), "--restore"};
  std::vector<std::string> variables = daemon_environment(paths.home(), false);
  variables.push_back(fmt::format("LISTEN_FDS={}", stored.count));
  variables.push_back("LISTEN_FDNAMES=" + stored.names);
  pid_t child = 0;
  const int code = ::posix_spawn(&child, daemon.c_str(), &actions, nullptr,
                                 pointers_to(words).data(), pointers_to(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  return code == 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

class KeeperStart {
 public:
  KeeperStart(const Paths& paths, bool is_foreground)
      : paths_(paths), is_foreground_(is_foreground) {
    struct stat status {};
    if (::stat(paths.log().c_str(), &status) == 0) log_start_ = status.st_size;
    const std::string directory = own_directory();
    keeper_ = directory + "/pmx-keeper";
    daemon_ = directory + "/pmxd";
    for (const std::string& program : {keeper_, daemon_}) {
      if (::access(program.c_str(), X_OK) == 0) continue;
      fail(fmt::format("cannot start the daemon: {}: {}", program, reason(errno)),
           "pmx, pmxd and pmx-keeper must be in one directory");
    }
    spawn();
  }

  // Returns when the daemon serves its socket.
  void wait_until_ready() {
    const auto deadline = std::chrono::steady_clock::now() + kReadyWithin;
    std::string said;
    while (said.find("ready\n") != 0 && said.find("\nready\n") == std::string::npos) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      pollfd ready{.fd = ready_.get(), .events = POLLIN, .revents = 0};
      const int polled = left.count() <= 0 ? 0 : ::poll(&ready, 1, static_cast<int>(left.count()));
      if (polled < 0 && errno == EINTR) continue;
      if (polled == 0) {
        give_up(fmt::format("the daemon was not ready within {} s", kReadyWithin.count()), said);
      }
      std::array<char, 512> buffer{};
      const ssize_t got = ::read(ready_.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) give_up("the daemon did not start", said);
      said.append(buffer.data(), static_cast<std::size_t>(got));
    }
    // The parent of the daemonised keeper; if it should still be there, it is nobody's to wait for.
    if (!is_foreground_) ::waitpid(child_, nullptr, WNOHANG);
  }

  // Of the keeper itself, in the foreground.
  [[nodiscard]] pid_t child() const { return child_; }

 private:
  void spawn() {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
      fail(fmt::format("cannot start the daemon: pipe: {}", reason(errno)));
    }
    ready_.reset(pipe[0]);
    const UniqueFd write_end(pipe[1]);

    // Not even an app's cgroup, if one has called us: it would be killed with that app.
    sys::leave_run_cgroup();
    // Nothing of this shell may stay with the daemon: not its pipes, directory or signal settings.
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    const std::string log = paths_.log();  // must live until the spawn
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                       O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), kReadyFd);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, kReadyFd + 1);
    ::posix_spawn_file_actions_addchdir_np(&actions, "/");
    ::posix_spawnattr_init(&attributes);
    sigset_t signals;
    ::sigfillset(&signals);
    ::posix_spawnattr_setsigdefault(&attributes, &signals);
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes, &signals);
    // A session of its own: what is typed at our terminal is for us alone.
    const int session = is_foreground_ ? POSIX_SPAWN_SETSID : 0;
    ::posix_spawnattr_setflags(
        &attributes, static_cast<short>(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | session));

    std::vector<std::string> words = {keeper_, "--home",     paths_.home(),           "--daemon",
                                      daemon_, "--ready-fd", std::to_string(kReadyFd)};
    if (is_foreground_) words.insert(words.end(), {"--foreground", "--with-parent"});
    std::vector<std::string> variables = daemon_environment(paths_.home(), is_foreground_);
    const int code = ::posix_spawn(&child_, keeper_.c_str(), &actions, &attributes,
                                   pointers_to(words).data(), pointers_to(variables).data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (code != 0) {
      fail(fmt::format("cannot start {} (log {}): {}", keeper_, paths_.log(), reason(code)));
    }
  }

  [[noreturn]] void give_up(const std::string& what, const std::string& said) {
    std::string why = said;
    while (!why.empty() && why.back() == '\n') why.pop_back();
    if (why.rfind("error ", 0) == 0) why.erase(0, std::strlen("error "));
    if (why.empty()) why = log_since(paths_.log(), log_start_);
    const bool several_lines = why.find('\n') != std::string::npos;
    fail(why.empty() ? what : fmt::format("{}:{}{}", what, several_lines ? '\n' : ' ', why),
         "log: " + paths_.log());
  }

  const Paths& paths_;
  bool is_foreground_;
  std::string keeper_;
  std::string daemon_;
  off_t log_start_ = 0;
  UniqueFd ready_;
  pid_t child_ = 0;
};

// Nobody serves the socket, yet a keeper lives: it is starting its daemon again, or ends because of
// `pmx kill`. Nullopt: it has ended.
std::optional<Client> wait_for_keeper(const UniqueFd& keeper, const Paths& paths,
                                      std::chrono::milliseconds within) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  while (std::chrono::steady_clock::now() < deadline) {
    std::optional<Client> client = Client::connect(paths.socket());
    if (client) return client;
    // No event tells when a socket begins to listen, so the wait for the keeper's end is cut up.
    pollfd ended{.fd = keeper.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ended, 1, kReconnectEvery) > 0) return std::nullopt;
  }
  fail(fmt::format("pmx-keeper runs, but its daemon did not come up within {} ms", within.count()),
       "log: " + paths.log());
}

}  // namespace

Connected connect_or_start(const Paths& paths) {
  std::optional<Client> client = Client::connect(paths.socket());
  if (client) return {std::move(*client), false};
  paths.ensure_home();
  const UniqueFd lock = take_lock(paths.lock());
  client = Client::connect(paths.socket());
  if (client) return {std::move(*client), false};

  if (const UniqueFd keeper = find_running_keeper(paths.home())) {
    client = wait_for_keeper(keeper, paths, kReadyWithin);
    if (client) return {std::move(*client), false};
  }
  if (const StoredDescriptors stored = stored_descriptors();
      stored.count > 0 && restore_keeper(paths, stored)) {
    const UniqueFd keeper = find_running_keeper(paths.home());
    if (keeper) client = wait_for_keeper(keeper, paths, kReadyWithin);
    if (client) return {std::move(*client), true};
  }
  KeeperStart start(paths, false);
  start.wait_until_ready();
  client = Client::connect(paths.socket());
  if (!client) fail("the daemon said it was ready, but does not serve " + paths.socket());
  return {std::move(*client), true};
}

void forget_transient_list(Paths paths) {
  paths.use_transient_database();
  for (const char* part : {"", "-wal", "-shm", ".bak"}) ::unlink((paths.database() + part).c_str());
}

ForegroundDaemon start_in_foreground(Paths paths) {
  paths.ensure_home();
  const UniqueFd lock = take_lock(paths.lock());
  if (Client::connect(paths.socket()) || find_running_keeper(paths.home())) {
    throw Error(ErrorCode::already_running, fmt::format("a daemon serves {} already", paths.home()),
                "`pmx start --attach` adds apps to it; PMX_HOME chooses another directory");
  }
  forget_transient_list(paths);  // of a run that was killed
  KeeperStart start(paths, true);
  start.wait_until_ready();
  std::optional<Client> client = Client::connect(paths.socket());
  if (!client) fail("the daemon said it was ready, but does not serve " + paths.socket());
  return {std::move(*client), start.child()};
}

std::optional<Client> connect_if_running(const Paths& paths, std::chrono::milliseconds within) {
  std::optional<Client> client = Client::connect(paths.socket());
  if (client) return client;
  const UniqueFd keeper = find_running_keeper(paths.home());
  return keeper ? wait_for_keeper(keeper, paths, within) : std::nullopt;
}

}  // namespace pmx::cli
