// For tests of the Node cluster protocol: starts real Node workers on a channel, and is their HTTP
// client. Uses the system's node and every binary in PMX_TEST_NODES (separated by colons).
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/cluster/node_primary.h"
#include "daemon/os/socket_listeners.h"

namespace pmx::test {

using namespace std::chrono_literals;

inline constexpr auto kDeadline = 30s;
inline constexpr std::uint64_t kApp = 7;

inline std::vector<std::string> find_nodes() {
  const char* more = std::getenv("PMX_TEST_NODES");
  if (more == nullptr) std::puts("PMX_TEST_NODES is not set: only the system's node is tested");
  const std::string list = std::string("/usr/bin/node:") + (more != nullptr ? more : "");
  std::vector<std::string> found;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(':', at), list.size());
    const std::string path = list.substr(at, end - at);
    if (::access(path.c_str(), X_OK) == 0) {
      found.push_back(path);
    } else {
      std::printf("not tested, cannot be run: %s\n", path.c_str());
    }
    at = end + 1;
  }
  return found;
}

inline const std::vector<std::string>& node_binaries() {
  static const std::vector<std::string> nodes = find_nodes();
  return nodes;
}

struct Pair {
  UniqueFd ours;
  UniqueFd theirs;
};

inline Pair make_pair() {
  int fds[2] = {-1, -1};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  REQUIRE(::fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

inline UniqueFd duplicate(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

inline sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline int port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return address.ss_family == AF_INET6
             ? ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port)
             : ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

// A port of the kernel's choice that `fd` holds; `listen` makes it a foreign server.
inline UniqueFd claim_port(int& port, bool with_listen) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(0);
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  if (with_listen) REQUIRE(::listen(fd.get(), 8) == 0);
  port = port_of(fd.get());
  return fd;
}

inline UniqueFd connect_tcp(int port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}

inline UniqueFd connect_unix(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}

// The body of one GET over `fd` (Connection: close), or what came instead.
inline void send_get(int fd) {
  const std::string request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  REQUIRE(::send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size()));
}

inline std::string read_body(int fd, int timeout_ms = 20000) {
  std::string answer;
  char buffer[4096];
  for (;;) {
    pollfd poll{fd, POLLIN, 0};
    if (::poll(&poll, 1, timeout_ms) != 1) return "timeout after: " + answer;
    const ssize_t size = ::recv(fd, buffer, sizeof(buffer), 0);
    if (size <= 0) break;
    answer.append(buffer, static_cast<std::size_t>(size));
  }
  const std::size_t head = answer.find("\r\n\r\n");
  return head == std::string::npos ? "no response: " + answer : answer.substr(head + 4);
}

inline std::string get(UniqueFd fd) {
  send_get(fd.get());
  return read_body(fd.get());
}

class Bench {
 public:
  explicit Bench(std::string node) : node_(std::move(node)) {
    char name[] = "/tmp/pmx-node-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    directory_ = name;
  }
  ~Bench() {
    listeners->close_app(kApp);
    std::filesystem::remove_all(directory_);
  }

  std::string script(const std::string& text) {
    const std::string path = directory_ + "/app" + std::to_string(scripts_++) + ".cjs";
    std::ofstream(path) << text;
    return path;
  }
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  const std::string& node() const { return node_; }

  template <class Condition>
  bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kDeadline;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      io.restart();
      io.run_one_for(50ms);
    }
    return true;
  }

  asio::io_context io;
  std::map<std::string, std::string> stored;  // key -> data, as the fd store would see it
  std::optional<SocketListeners> listeners{
      std::in_place,
      SocketListeners::Events{
          [this](const SocketListeners::Entry& entry, int) { stored[entry.key] = entry.data; },
          [this](const SocketListeners::Entry& entry) { stored.erase(entry.key); },
          [this](std::uint64_t app, const std::string& key) {
            handout.attendance_changed(app, key);
          }}};
  ConnectionHandout handout{io, *listeners};

 private:
  std::string node_;
  std::string directory_;
  int scripts_ = 0;
};

class Worker {
 public:
  Worker(Bench& bench, const std::string& script, int id, bool cluster = true) : bench_(bench) {
    Pair pair = make_pair();
    dup_ = duplicate(pair.ours.get());
    const std::string unique = "NODE_UNIQUE_ID=" + std::to_string(id);
    std::vector<std::string> env{"NODE_CHANNEL_FD=3", "NODE_CHANNEL_SERIALIZATION_MODE=json",
                                 "PATH=/usr/bin:/bin"};
    if (cluster) env.push_back(unique);
    std::vector<std::string> args{bench.node(), script};
    std::vector<char*> argv;
    std::vector<char*> envp;
    for (std::string& text : args) argv.push_back(text.data());
    for (std::string& text : env) envp.push_back(text.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, pair.theirs.get(), 3);
    REQUIRE(::posix_spawn(&pid_, bench.node().c_str(), &actions, nullptr, argv.data(),
                          envp.data()) == 0);
    ::posix_spawn_file_actions_destroy(&actions);
    adopt(std::move(pair.ours), cluster, 0);
  }
  ~Worker() {
    primary.reset();
    dup_.reset();
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

  void adopt(UniqueFd channel, bool cluster, std::int64_t first_seq) {
    WorkerEvents events;
    events.on_online = [this] { online = true; };
    events.on_listening = [this](std::string_view address, int port) {
      ++servers;
      last_address = address;
      last_port = port;
    };
    events.on_message = [this](std::string_view json) { messages.emplace_back(json); };
    events.on_closed = [this](std::string_view reason) { closed_reason = reason; };
    events.on_snapshot_changed = [this] { ++snapshots; };
    events.on_problem = [this](const std::string& text) { problems.push_back(text); };
    primary = std::make_unique<NodePrimary>(
        bench_.io, std::move(channel), WorkerIdentity{kApp, {0, 1}, cluster, Balance::shared},
        *bench_.listeners, bench_.handout, std::move(events), first_seq);
  }

  bool got(const std::string& message) const {
    return std::find(messages.begin(), messages.end(), message) != messages.end();
  }
  bool wait_message(const std::string& message) {
    return bench_.eventually([&] { return got(message) || !closed_reason.empty(); }) &&
           got(message);
  }
  bool wait_listening(int count = 1) {
    return bench_.eventually([&] { return servers >= count; });
  }
  bool wait_closed() {
    return bench_.eventually([&] { return !closed_reason.empty(); });
  }
  // The exit code, or 1000 + signal.
  int wait_exit() {
    int status = 0;
    primary.reset();
    dup_.reset();
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }
  bool running() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }
  pid_t pid() const { return pid_; }
  UniqueFd dup() { return duplicate(dup_.get()); }

  std::unique_ptr<NodePrimary> primary;
  bool online = false;
  int servers = 0;
  int snapshots = 0;
  std::string last_address;
  int last_port = -1;
  std::vector<std::string> messages;
  std::vector<std::string> problems;
  std::string closed_reason;

 private:
  Bench& bench_;
  pid_t pid_ = -1;
  UniqueFd dup_;  // what the keeper would hold
};

// Runs `test` for each node binary.
template <class Test>
void with_each_node(Test test) {
  if (node_binaries().empty()) MESSAGE("no node binary: not tested");
  for (const std::string& node : node_binaries()) {
    CAPTURE(node);
    Bench bench(node);
    test(bench);
  }
}

inline std::string with(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace pmx::test
