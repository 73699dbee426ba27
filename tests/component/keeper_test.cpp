// pmx-keeper against its promises: nothing of an app is lost whatever happens to the daemon.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "tests/component/keeper_fixture.h"

using namespace pmx;
using namespace pmx::keeper;
using namespace pmx::test;

namespace {

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

Pipe make_pipe() {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Message make_store(std::uint64_t slot, std::uint32_t flags) {
  Message message = make_message(Verb::store, slot);
  message.flags = flags;
  return message;
}

std::string status_field(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + ":", 0) == 0) return line.substr(name.size() + 2);
  }
  return "";
}

// Stops the keeper while it lives, so that what happens meanwhile meets it all at once.
class Frozen {
 public:
  explicit Frozen(pid_t pid) : pid_(pid) {
    REQUIRE(kill(pid_, SIGSTOP) == 0);
    REQUIRE(eventually([&] { return status_field(pid_, "State").front() == 'T'; }));
  }
  ~Frozen() { kill(pid_, SIGCONT); }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  pid_t pid_;
};

bool is_zombie(pid_t pid) { return status_field(pid, "State").front() == 'Z'; }

bool is_reaped(pid_t pid) { return kill(pid, 0) != 0; }

bool kernel_tells_foreign_exits() {
  utsname name{};
  uname(&name);
  int major = 0;
  int minor = 0;
  std::sscanf(name.release, "%d.%d", &major, &minor);
  return major > 6 || (major == 6 && minor >= 15);
}

int exit_code(const ExitRecord& record) {
  CHECK(record.known == 1);
  CHECK(WIFEXITED(record.wait_status));
  return WEXITSTATUS(record.wait_status);
}

int exit_signal(const ExitRecord& record) {
  CHECK(record.known == 1);
  CHECK(WIFSIGNALED(record.wait_status));
  return WTERMSIG(record.wait_status);
}

}  // namespace

TEST_CASE("keeper: slots come back as stored, with descriptors") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  CHECK(daemon.link.list().slots.empty());

  const Pipe pipe = make_pipe();
  const Process app = daemon.spawn(kWaitForSignal);
  Message message = make_store(7, has_pid | has_pidfd | has_fds | has_state);
  message.pid = app.pid;
  message.start_time = 99;
  message.fd_count = 2;
  message.state_size = kStateBytes;
  std::memset(message.state, 's', kStateBytes);
  daemon.link.send(message, {app.pidfd.get(), pipe.read_end.get(), pipe.write_end.get()});
  daemon.link.send(make_store(8, is_intent));

  const Listing listing = daemon.link.list();
  REQUIRE(listing.slots.size() == 2);
  const Received& slot = listing.slot(7);
  CHECK(slot.message.flags == (has_pid | has_pidfd | has_fds | has_state));
  CHECK(slot.message.pid == app.pid);
  CHECK(slot.message.start_time == 99);
  CHECK(std::string(slot.message.state, slot.message.state_size) == std::string(kStateBytes, 's'));
  REQUIRE(slot.fds.size() == 3);
  CHECK(write(slot.fds[2].get(), "x", 1) == 1);
  char byte = 0;
  CHECK(read(slot.fds[1].get(), &byte, 1) == 1);
  CHECK(status_field(app.pid, "PPid") == std::to_string(keeper.pid()));
  CHECK(listing.slot(8).message.flags == is_intent);

  SUBCASE("has_fds replaces, other parts stay") {
    Message change = make_store(7, has_fds);
    change.fd_count = 1;
    daemon.link.send(change, {pipe.write_end.get()});
    const Listing changed = daemon.link.list();
    CHECK(changed.slot(7).message.flags == (has_pid | has_pidfd | has_fds | has_state));
    CHECK(changed.slot(7).fds.size() == 2);
  }
  SUBCASE("drop forgets and closes") {
    daemon.link.say(Verb::drop, 7);
    daemon.link.say(Verb::drop, 8);
    daemon.link.say(Verb::drop, 12345);
    CHECK(daemon.link.list().slots.empty());
  }
  SUBCASE("an intent can be taken back") {
    daemon.link.send(make_store(8, has_pid));
    const Listing changed = daemon.link.list();
    CHECK(changed.slot(8).message.flags == 0);
  }
}

TEST_CASE("keeper: dropped descriptors are closed") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  Pipe pipe = make_pipe();
  Message message = make_store(1, has_fds);
  message.fd_count = 1;
  daemon.link.send(message, {pipe.write_end.get()});
  CHECK(daemon.link.list().slots.size() == 1);
  pipe.write_end.reset();
  daemon.link.say(Verb::drop, 1);
  char byte = 0;
  CHECK(read(pipe.read_end.get(), &byte, 1) == 0);
}

TEST_CASE("keeper: an exit is reported with code and usage, until acknowledged") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  daemon.link.list();
  const Pipe pipe = make_pipe();
  Message fds = make_store(3, has_fds);
  fds.fd_count = 1;
  daemon.link.send(fds, {pipe.read_end.get()});
  const Process app = daemon.spawn(kBurnThenExit7, 3);

  const ExitRecord record = daemon.link.expect_exit(3);
  CHECK(record.pid == app.pid);
  CHECK(exit_code(record) == 7);
  CHECK(record.user_us + record.system_us >= 25'000);
  CHECK(record.max_rss_kb > 0);
  CHECK(record.mono_ns > 0);

  const Listing listing = daemon.link.list();
  CHECK(listing.slot(3).message.flags == (has_pid | has_pidfd | has_fds | has_exit));
  CHECK(exit_code(listing.slot(3).message.exit) == 7);
  CHECK(exit_code(daemon.link.expect_exit(3)) == 7);

  daemon.link.ack(3, app.pid + 1);  // about another process: no effect
  const Listing unacked = daemon.link.list();
  CHECK(unacked.slot(3).message.flags == (has_pid | has_pidfd | has_fds | has_exit));
  daemon.link.expect_exit(3);

  daemon.link.ack(3, app.pid);
  const Listing acked = daemon.link.list();
  CHECK(acked.slot(3).message.flags == has_fds);
  CHECK(daemon.link.is_silent());

  // An acknowledgement without a record does not touch a running process.
  const Process next = daemon.spawn(kWaitForSignal, 3);
  daemon.link.ack(3, 0);
  const Listing running = daemon.link.list();
  CHECK(running.slot(3).message.pid == next.pid);
  kill(next.pid, SIGTERM);
  CHECK(exit_signal(daemon.link.expect_exit(3)) == SIGTERM);
}

TEST_CASE("keeper: an app may end before its pid is stored") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  daemon.link.list();
  SUBCASE("certainly before") {
    for (int round = 0; round < 20; ++round) {
      const auto slot = static_cast<std::uint64_t>(100 + round);
      daemon.link.store_intent(slot);
      const Process app = daemon.spawn(round);
      REQUIRE(eventually([&] { return is_reaped(app.pid); }));
      daemon.link.store_process(slot, app);
      const ExitRecord record = daemon.link.expect_exit(slot);
      CHECK(exit_code(record) == round);
      CHECK(record.max_rss_kb > 0);  // from wait4, not from the pidfd
    }
  }
  SUBCASE("perhaps before") {
    for (int round = 0; round < 200; ++round) {
      const auto slot = static_cast<std::uint64_t>(100 + round);
      daemon.spawn(round, slot);
      const ExitRecord record = daemon.link.expect_exit(slot);
      CHECK(exit_code(record) == round);
      CHECK(record.max_rss_kb > 0);
      daemon.link.ack(slot, record.pid);
      if (round % 2 == 0) daemon.link.say(Verb::drop, slot);
    }
  }
}

TEST_CASE("keeper: a killed daemon is started again and gets everything") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon first = keeper.next_daemon();
  first.link.list();
  constexpr std::uint64_t kCount = 600;  // more than the socket holds at once
  const Pipe pipe = make_pipe();
  for (std::uint64_t slot = 1; slot <= kCount; ++slot) {
    Message message = make_store(slot, has_fds | has_state);
    message.fd_count = 2;
    message.state_size = sizeof slot;
    std::memcpy(message.state, &slot, sizeof slot);
    first.link.send(message, {pipe.read_end.get(), pipe.write_end.get()});
  }
  const Process app = first.spawn(kWaitForSignal, 1);
  // Dies with answers unread: the kernel then reports a reset before what the daemon had sent.
  first.link.say(Verb::list);
  first.link.receive();
  const Process late = first.spawn(kWaitForSignal, kCount + 1);
  first.kill_hard();

  FakeDaemon second = keeper.next_daemon();
  CHECK(second.hello.pid != first.hello.pid);
  // Ends while the list is on its way, which the keeper must not forget.
  second.link.say(Verb::list);
  REQUIRE(kill(app.pid, SIGKILL) == 0);
  REQUIRE(eventually([&] { return is_reaped(app.pid); }));
  std::uint64_t slots = 0;
  for (;;) {
    const Received received = second.link.receive();
    if (received.message.verb == Verb::list_end) break;
    REQUIRE(received.message.verb == Verb::slot);
    ++slots;
    if (received.message.slot <= kCount) {
      std::uint64_t state = 0;
      std::memcpy(&state, received.message.state, sizeof state);
      REQUIRE(state == received.message.slot);
    }
    if (received.message.slot == kCount + 1) CHECK(received.message.pid == late.pid);
  }
  CHECK(slots == kCount + 1);
  CHECK(exit_signal(second.link.expect_exit(1)) == SIGKILL);
  CHECK(second.link.is_silent());
  CHECK(status_field(late.pid, "PPid") == std::to_string(keeper.pid()));
}

TEST_CASE("keeper: an exit seen before the messages about it finds its slot") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  const Process app = daemon.spawn(kWaitForSignal, 1);
  daemon.link.list();
  Process quick;
  Process unnamed;
  {
    const Frozen frozen(keeper.pid());
    kill(app.pid, SIGKILL);  // wakes the keeper before the link does
    REQUIRE(eventually([&] { return is_zombie(app.pid); }));
    quick = daemon.spawn(3, 2);
    daemon.link.store_intent(3);
    unnamed = daemon.spawn(4);
    REQUIRE(eventually([&] { return is_zombie(quick.pid) && is_zombie(unnamed.pid); }));
  }
  REQUIRE(eventually([&] { return is_reaped(unnamed.pid); }));
  CHECK(exit_signal(daemon.link.expect_exit(1)) == SIGKILL);
  const ExitRecord record = daemon.link.expect_exit(2);
  CHECK(exit_code(record) == 3);
  CHECK(record.max_rss_kb > 0);
  daemon.link.store_process(3, unnamed);
  const ExitRecord late = daemon.link.expect_exit(3);
  CHECK(exit_code(late) == 4);
  CHECK(late.max_rss_kb > 0);
}

TEST_CASE("keeper: what a daemon said last counts, even if it died with answers unread") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  const Process app = daemon.spawn(kWaitForSignal, 1);
  daemon.link.list();
  daemon.link.say(Verb::list);
  CHECK(!daemon.link.is_silent());
  {
    const Frozen frozen(keeper.pid());
    kill(app.pid, SIGKILL);
    REQUIRE(eventually([&] { return is_zombie(app.pid); }));
    daemon.link.store_intent(2);
    const pid_t pid = daemon.hello.pid;
    daemon.kill_hard();
    REQUIRE(eventually([&] { return is_zombie(pid); }));
  }
  FakeDaemon next = keeper.next_daemon();
  const Listing listing = next.link.list();
  CHECK(listing.slots.size() == 2);
  CHECK(listing.slot(2).message.flags == is_intent);
  CHECK(exit_signal(next.link.expect_exit(1)) == SIGKILL);
}

TEST_CASE("keeper: an exit while no daemon is up is told to the next") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon first = keeper.next_daemon();
  const Process app = first.spawn(kWaitForSignal, 5);
  const Process unnamed = first.spawn(kWaitForSignal);
  first.link.store_intent(6);
  first.kill_hard();
  FakeDaemon second = keeper.next_daemon();
  second.kill_hard();  // the third comes only after 100 ms
  kill(app.pid, SIGKILL);
  kill(unnamed.pid, SIGKILL);
  REQUIRE(eventually([&] { return is_reaped(app.pid) && is_reaped(unnamed.pid); }));

  FakeDaemon third = keeper.next_daemon();
  CHECK(third.link.is_silent());  // until it asks
  const Listing listing = third.link.list();
  CHECK(listing.slot(5).message.flags == (has_pid | has_pidfd | has_exit));
  CHECK(exit_signal(third.link.expect_exit(5)) == SIGKILL);
  // The first daemon's announced process, found out by the third.
  CHECK(listing.slot(6).message.flags == is_intent);
  third.link.store_process(6, unnamed);
  const ExitRecord record = third.link.expect_exit(6);
  CHECK(exit_signal(record) == SIGKILL);
  CHECK(record.max_rss_kb > 0);
}

TEST_CASE("keeper: restarts back off until a daemon is ready") {
  KeeperFixture keeper;
  keeper.start();
  keeper.next_daemon().kill_hard();
  keeper.next_daemon().exit(1);
  CHECK(keeper.no_daemon_within(60));
  FakeDaemon third = keeper.next_daemon();
  third.kill_hard();
  CHECK(keeper.no_daemon_within(150));
  FakeDaemon fourth = keeper.next_daemon();
  fourth.link.say(Verb::ready);
  fourth.kill_hard();  // the word of readiness still counts: back at once
  keeper.next_daemon().exit(kExitShutdown);
  CHECK(keeper.wait_for_end() == 0);
}

TEST_CASE("keeper: gives up if no daemon ever becomes ready, unless something runs") {
  KeeperFixture keeper;
  keeper.start();
  constexpr int kTries = 8;
  FakeDaemon first = keeper.next_daemon();
  SUBCASE("nothing runs") {
    first.exit(1);
    for (int i = 1; i < kTries; ++i) keeper.next_daemon().exit(1);
    CHECK(keeper.wait_for_end() == kExitNeverReady);
  }
  SUBCASE("a process lives") {
    first.spawn(kWaitForSignal, 1);
    first.exit(1);
    for (int i = 1; i < kTries; ++i) keeper.next_daemon().exit(1);
    FakeDaemon next = keeper.next_daemon();
    CHECK(next.link.list().slots.size() == 1);
  }
}

TEST_CASE("keeper: ends with a daemon that shut down or cannot run") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  SUBCASE("shut down") {
    daemon.spawn(kWaitForSignal, 1);
    daemon.exit(kExitShutdown);
    CHECK(keeper.wait_for_end() == 0);
  }
  SUBCASE("refused, nothing to look after") {
    daemon.exit(kExitRefused);
    CHECK(keeper.wait_for_end() == kExitRefused);
  }
  SUBCASE("refused, but a process lives") {
    daemon.spawn(kWaitForSignal, 1);
    daemon.exit(kExitRefused);
    FakeDaemon next = keeper.next_daemon();
    CHECK(next.link.list().slots.size() == 1);
  }
}

TEST_CASE("keeper: a daemon that cannot be executed ends it") {
  KeeperFixture keeper;
  keeper.start({.arguments = {"--foreground", "--daemon", "/nonexistent/pmxd"}});
  CHECK(keeper.wait_for_end() == kExitRefused);
}

TEST_CASE("keeper: only the first daemon gets the ready fd, and its death closes it") {
  KeeperFixture keeper;
  Pipe pipe = make_pipe();
  keeper.start(
      {.arguments = {"--foreground", "--ready-fd", "7"}, .inherited_fd = pipe.write_end.get()});
  FakeDaemon first = keeper.next_daemon();
  CHECK(first.hello.has_ready_fd == 1);
  CHECK(write(first.ready_fd.get(), "1", 1) == 1);
  pipe.write_end.reset();
  first.kill_hard();
  char bytes[8];
  CHECK(read(pipe.read_end.get(), bytes, sizeof bytes) == 1);
  CHECK(read(pipe.read_end.get(), bytes, sizeof bytes) == 0);
  CHECK(keeper.next_daemon().hello.has_ready_fd == 0);
}

TEST_CASE("keeper: the daemon starts with a clean slate") {
  KeeperFixture keeper;
  const Pipe stray = make_pipe();
  keeper.start({.inherited_fd = stray.write_end.get(), .soft_files = 50, .hard_files = 100});
  const FakeDaemon daemon = keeper.next_daemon();
  CHECK(daemon.hello.open_files == 0);
  CHECK(daemon.hello.changed_signals == 0);
  CHECK(std::string(daemon.hello.nofile_soft) == "50");
  std::ifstream limits("/proc/" + std::to_string(daemon.hello.pid) + "/limits");
  std::stringstream text;
  text << limits.rdbuf();
  CHECK(text.str().find("Max open files            100                  100") != std::string::npos);
}

TEST_CASE("keeper: the end of somebody else's child is noticed") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  daemon.link.list();
  const Pipe pipe = make_pipe();
  const pid_t child = fork();
  if (child == 0) {
    char byte = 0;
    _exit(read(pipe.read_end.get(), &byte, 1) == 1 ? 42 : 1);
  }
  Process process{child, UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)))};
  REQUIRE(process.pidfd);
  daemon.link.store_process(9, process);
  SUBCASE("told before") {
    CHECK(daemon.link.list().slots.size() == 1);
    REQUIRE(write(pipe.write_end.get(), "x", 1) == 1);
    siginfo_t info{};
    REQUIRE(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
    if (kernel_tells_foreign_exits()) CHECK(daemon.link.is_silent());  // a zombie as yet
    REQUIRE(waitpid(child, nullptr, 0) == child);
  }
  SUBCASE("told after") {
    daemon.link.say(Verb::drop, 9);
    REQUIRE(write(pipe.write_end.get(), "x", 1) == 1);
    REQUIRE(waitpid(child, nullptr, 0) == child);
    daemon.link.store_process(9, process);
  }
  const ExitRecord record = daemon.link.expect_exit(9);
  CHECK(record.pid == child);
  if (kernel_tells_foreign_exits()) {
    CHECK(exit_code(record) == 42);
  } else {
    CHECK(record.known == 0);
  }
  daemon.link.ack(9, child);
  const Listing listing = daemon.link.list();
  CHECK(listing.slot(9).message.flags == 0);
}

TEST_CASE("keeper: a record handed over is handed on") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  Message message = make_store(4, has_pid | has_exit);
  message.pid = 77777;
  message.exit.pid = 77777;
  message.exit.known = 1;
  message.exit.wait_status = 9;
  daemon.link.send(message);
  const Listing listing = daemon.link.list();
  CHECK(listing.slot(4).message.flags == (has_pid | has_exit));
  CHECK(exit_signal(daemon.link.expect_exit(4)) == 9);
}

TEST_CASE("keeper: takes over a running daemon and starts its own when that one goes") {
  KeeperFixture keeper;
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
  UniqueFd theirs(ends[1]);
  Link link{UniqueFd(ends[0])};
  keeper.start({.arguments = {"--foreground", "--link-fd", "7"}, .inherited_fd = theirs.get()});
  theirs.reset();
  const Pipe pipe = make_pipe();
  Message message = make_store(11, has_fds);
  message.fd_count = 1;
  link.send(message, {pipe.read_end.get()});
  CHECK(link.list().slots.size() == 1);
  CHECK(keeper.no_daemon_within(50));
  link.close();
  FakeDaemon daemon = keeper.next_daemon();
  const Listing listing = daemon.link.list();
  CHECK(listing.slot(11).fds.size() == 1);
  daemon.exit(kExitShutdown);
  CHECK(keeper.wait_for_end() == 0);
}

TEST_CASE("keeper: SIGTERM is the daemon's business, once it is ready") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  const Process app = daemon.spawn(kWaitForSignal, 1);
  daemon.link.list();
  kill(keeper.pid(), SIGTERM);
  CHECK(daemon.link.list().slots.size() == 1);
  CHECK(!is_reaped(daemon.hello.pid));
  daemon.link.say(Verb::ready);  // the fake one dies of the signal, the app lives
  FakeDaemon next = keeper.next_daemon();
  CHECK(!is_reaped(app.pid));
  next.link.list();
  next.link.say(Verb::drop, 1);
  next.link.say(Verb::ready);
  CHECK(keeper.wait_for_end() == 0);
}

TEST_CASE("keeper: a message of another version ends the daemon, not the keeper") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  daemon.link.store_intent(1);
  SUBCASE("wrong size") { daemon.link.send_bytes("hello"); }
  SUBCASE("wrong version") {
    Message message = make_message(Verb::list, 0);
    message.version = kVersion + 1;
    daemon.link.send(message);
  }
  SUBCASE("counts out of bounds") {
    Message message = make_store(2, has_state);
    message.state_size = kStateBytes + 1;
    daemon.link.send(message);
  }
  FakeDaemon next = keeper.next_daemon();
  CHECK(is_reaped(daemon.hello.pid));
  CHECK(next.link.list().slots.size() == 1);
}

TEST_CASE("keeper: out of descriptors it keeps what fits and can still start a daemon") {
  KeeperFixture keeper;
  keeper.start({.soft_files = 40, .hard_files = 40});
  FakeDaemon first = keeper.next_daemon();
  const Pipe pipe = make_pipe();
  for (std::uint64_t slot = 1; slot <= 20; ++slot) {
    Message message = make_store(slot, has_fds);
    message.fd_count = 3;
    first.link.send(message, {pipe.read_end.get(), pipe.write_end.get(), pipe.read_end.get()});
  }
  first.link.list();
  first.kill_hard();
  FakeDaemon second = keeper.next_daemon();
  const Listing listing = second.link.list();
  CHECK(listing.slots.size() == 20);
  std::size_t kept = 0;
  for (const Received& slot : listing.slots) kept += slot.fds.size();
  CHECK(kept >= 15);
  CHECK(kept < 40);
  CHECK(listing.slot(1).fds.size() == 3);
  // An app still gets its exit, and a place once there is room.
  const Process app = second.spawn(5, 50);
  CHECK(exit_code(second.link.expect_exit(50)) == 5);
  second.link.ack(50, app.pid);
}

TEST_CASE("keeper: a full table refuses, and works on") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  for (std::uint64_t slot = 1; slot <= kMaxSlots + 1; ++slot) {
    daemon.link.send(make_store(slot, is_intent));
  }
  CHECK(daemon.link.list().slots.size() == kMaxSlots);
  daemon.link.say(Verb::drop, 100);
  daemon.link.store_intent(kMaxSlots + 2);
  CHECK(daemon.link.list().slots.size() == kMaxSlots);
}

TEST_CASE("keeper: detached it has its own session and log, and the caller goes on") {
  KeeperFixture keeper;
  keeper.start({.arguments = {}});
  CHECK(keeper.wait_for_end() == 0);
  FakeDaemon daemon = keeper.next_daemon();
  const pid_t pid = std::stoi(status_field(daemon.hello.pid, "PPid"));
  CHECK(getsid(pid) == pid);
  CHECK(status_field(pid, "Name") == "pmx-keeper");
  kill(pid, SIGHUP);
  CHECK(eventually([&] {
    std::ifstream log(keeper.home() + "/pmx.log");
    std::stringstream text;
    text << log.rdbuf();
    return text.str().find("keeper: daemon (pid") != std::string::npos;
  }));
  daemon.exit(kExitShutdown);
  CHECK(eventually([&] { return waitpid(pid, nullptr, 0) == pid; }));
}

TEST_CASE("keeper: idle, it never wakes up") {
  KeeperFixture keeper;
  keeper.start();
  FakeDaemon daemon = keeper.next_daemon();
  daemon.spawn(kWaitForSignal, 1);
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  daemon.link.store_process(2,
                            {child, UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)))});
  daemon.link.list();
  daemon.link.say(Verb::ready);
  daemon.link.list();
  // The keeper is back in its wait once this stands still.
  const auto switches = [&] {
    return status_field(keeper.pid(), "voluntary_ctxt_switches") +
           status_field(keeper.pid(), "nonvoluntary_ctxt_switches");
  };
  REQUIRE(eventually([&] { return status_field(keeper.pid(), "State").front() == 'S'; }));
  const std::string before = switches();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  CHECK(switches() == before);
}
