#include "tests/component/keeper_fixture.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

namespace pmx::test {

using namespace pmx::keeper;

namespace {

constexpr int kPatience = 10'000;  // ms
constexpr int kInheritedTarget = 7;

bool is_readable(int fd, int milliseconds) {
  pollfd item{fd, POLLIN, 0};
  return poll(&item, 1, milliseconds) == 1;
}

// One record from the control socket, with descriptors.
template <typename Record>
std::vector<UniqueFd> receive_record(int socket, Record& record) {
  REQUIRE(is_readable(socket, kPatience));
  iovec part{&record, sizeof record};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  REQUIRE(recvmsg(socket, &header, MSG_CMSG_CLOEXEC) == static_cast<ssize_t>(sizeof record));
  std::vector<UniqueFd> fds;
  if (cmsghdr* rights = CMSG_FIRSTHDR(&header); rights != nullptr) {
    for (std::size_t at = 0; at < rights->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(rights) + at, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

std::vector<pid_t> children() {
  std::ifstream file("/proc/thread-self/children");
  std::vector<pid_t> result;
  for (pid_t pid = 0; file >> pid;) result.push_back(pid);
  return result;
}

// All descend from the keeper, as nothing else starts processes here.
void end_all_children() {
  for (auto pids = children(); !pids.empty(); pids = children()) {
    for (const pid_t pid : pids) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, __WALL);
    }
  }
}

void set_limit(unsigned soft, unsigned hard) {
  rlimit limit{soft, hard};
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatience);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

const Received& Listing::slot(std::uint64_t id) const {
  for (const Received& item : slots) {
    if (item.message.slot == id) return item;
  }
  FAIL("slot ", id, " is not listed");
  std::abort();
}

void Link::send(const Message& message, const std::vector<int>& fds) {
  LinkResult result = LinkResult::would_block;
  REQUIRE(eventually([&] {
    result = send_message(socket_.get(), message, fds.data(), static_cast<int>(fds.size()));
    return result != LinkResult::would_block;
  }));
  REQUIRE(result == LinkResult::done);
}

void Link::send_bytes(const std::string& bytes) {
  REQUIRE(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0);
}

Received Link::receive() {
  REQUIRE(is_readable(socket_.get(), kPatience));
  Received received{};
  int fds[kMaxMessageFds];
  int count = 0;
  REQUIRE(receive_message(socket_.get(), received.message, fds, count) == LinkResult::done);
  for (int i = 0; i < count; ++i) {
    CHECK((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
    received.fds.emplace_back(fds[i]);
  }
  CHECK(count == announced_fds(received.message));
  return received;
}

ExitRecord Link::expect_exit(std::uint64_t slot) {
  const Received received = receive();
  CHECK(received.message.verb == Verb::exited);
  CHECK(received.message.slot == slot);
  CHECK(received.message.flags == has_exit);
  return received.message.exit;
}

Listing Link::list() {
  say(Verb::list);
  Listing listing;
  for (;;) {
    Received received = receive();
    if (received.message.verb == Verb::list_end) return listing;
    REQUIRE(received.message.verb == Verb::slot);
    listing.slots.push_back(std::move(received));
  }
}

bool Link::is_silent() { return !is_readable(socket_.get(), 100); }

void Link::store_intent(std::uint64_t slot) {
  Message message = make_message(Verb::store, slot);
  message.flags = is_intent;
  send(message);
}

void Link::store_process(std::uint64_t slot, const Process& process) {
  Message message = make_message(Verb::store, slot);
  message.flags = has_pid | has_pidfd;
  message.pid = process.pid;
  message.start_time = 1234;
  send(message, {process.pidfd.get()});
}

void Link::ack(std::uint64_t slot, pid_t pid) {
  Message message = make_message(Verb::ack, slot);
  message.pid = pid;
  send(message);
}

void Link::say(Verb verb, std::uint64_t slot) { send(make_message(verb, slot)); }

Process FakeDaemon::spawn(std::int32_t behaviour, std::uint64_t slot) {
  if (slot != 0) link.store_intent(slot);
  const Command command{Order::spawn, behaviour};
  REQUIRE(::send(control.get(), &command, sizeof command, MSG_NOSIGNAL) > 0);
  Spawned spawned{};
  auto fds = receive_record(control.get(), spawned);
  REQUIRE(fds.size() == 1);
  Process process{spawned.pid, std::move(fds[0])};
  if (slot != 0) link.store_process(slot, process);
  return process;
}

void FakeDaemon::exit(std::int32_t code) {
  const Command command{Order::exit, code};
  link.close();
  ready_fd.reset();
  REQUIRE(::send(control.get(), &command, sizeof command, MSG_NOSIGNAL) > 0);
}

void FakeDaemon::kill_hard() {
  link.close();
  ready_fd.reset();
  REQUIRE(kill(hello.pid, SIGKILL) == 0);
}

KeeperFixture::KeeperFixture() {
  // Whatever the keeper leaves behind becomes our child.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  char path[] = "/tmp/pmxk-XXXXXX";
  REQUIRE(mkdtemp(path) != nullptr);
  home_ = path;
  control_.reset(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, (home_ + "/control.sock").c_str());
  REQUIRE(bind(control_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(control_.get(), 8) == 0);
}

KeeperFixture::~KeeperFixture() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  end_all_children();
  const auto& options = *doctest::getContextOptions();
  if (options.currentTest != nullptr && std::getenv("PMX_TEST_VERBOSE") != nullptr) {
    std::ifstream log(home_ + "/pmx.log");
    std::cerr << log.rdbuf();
  }
  std::filesystem::remove_all(home_);
}

void KeeperFixture::start(const Launch& launch) {
  std::vector<const char*> arguments = {PMX_KEEPER_PATH, "--home", home_.c_str(), "--daemon",
                                        PMX_FAKE_DAEMON_PATH};
  for (const std::string& argument : launch.arguments) arguments.push_back(argument.c_str());
  arguments.push_back(nullptr);
  const std::string log_path = home_ + "/pmx.log";
  pid_ = fork();
  REQUIRE(pid_ >= 0);
  if (pid_ > 0) return;
  // As a caller would who ignores and blocks things.
  signal(SIGQUIT, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  const int log = open(log_path.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0600);
  dup2(log, STDERR_FILENO);
  if (launch.inherited_fd >= 0 && launch.inherited_fd != kInheritedTarget) {
    dup2(launch.inherited_fd, kInheritedTarget);
  } else if (launch.inherited_fd >= 0) {
    fcntl(kInheritedTarget, F_SETFD, 0);
  }
  if (launch.hard_files > 0) set_limit(launch.soft_files, launch.hard_files);
  execv(PMX_KEEPER_PATH, const_cast<char* const*>(arguments.data()));
  _exit(127);
}

FakeDaemon KeeperFixture::next_daemon() {
  REQUIRE(is_readable(control_.get(), kPatience));
  UniqueFd control(accept4(control_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(control);
  Hello hello{};
  auto fds = receive_record(control.get(), hello);
  REQUIRE(fds.size() == (hello.has_ready_fd != 0 ? 2U : 1U));
  UniqueFd ready_fd = fds.size() == 2 ? std::move(fds[1]) : UniqueFd();
  return {hello, std::move(control), Link(std::move(fds[0])), std::move(ready_fd)};
}

bool KeeperFixture::no_daemon_within(int milliseconds) {
  return !is_readable(control_.get(), milliseconds);
}

int KeeperFixture::wait_for_end() {
  int status = 0;
  REQUIRE(eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }));
  pid_ = 0;
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

}  // namespace pmx::test
