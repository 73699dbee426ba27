// A real pmx-keeper in a temporary home, with fake daemons that hand their link to the test.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "daemon/keeper/link_io.h"
#include "tests/fixtures/fake_daemon.h"

namespace pmx::test {

// Polls until `condition` holds; false after 10 s.
bool eventually(const std::function<bool()>& condition);

struct Received {
  keeper::Message message;
  std::vector<UniqueFd> fds;  // pidfd first, if has_pidfd
};

struct Process {
  pid_t pid = 0;
  UniqueFd pidfd;
};

// What `list` brought.
struct Listing {
  std::vector<Received> slots;
  // The slot with that id; fails the test if there is none.
  const Received& slot(std::uint64_t id) const;
};

// The link as a daemon sees it. Failures and 10 s without an answer fail the test.
class Link {
 public:
  explicit Link(UniqueFd socket) : socket_(std::move(socket)) {}

  void send(const keeper::Message& message, const std::vector<int>& fds = {});
  void send_bytes(const std::string& bytes);
  Received receive();
  // The next message, which must be `exited` of that slot.
  keeper::ExitRecord expect_exit(std::uint64_t slot);
  Listing list();
  // Nothing to read and none to come: the keeper has answered everything sent before.
  bool is_silent();

  void store_intent(std::uint64_t slot);
  void store_process(std::uint64_t slot, const Process& process);
  void ack(std::uint64_t slot, pid_t pid);
  void say(keeper::Verb verb, std::uint64_t slot = 0);
  void close() { socket_.reset(); }

 private:
  UniqueFd socket_;
};

// One run of the fake daemon.
struct FakeDaemon {
  Hello hello;
  UniqueFd control;
  Link link;
  UniqueFd ready_fd;

  // Has it make a process (a child of the keeper); announced and stored when `slot` is not 0.
  Process spawn(std::int32_t behaviour, std::uint64_t slot = 0);
  void exit(std::int32_t code);
  // Kills it without warning; the test's copies of its descriptors are gone before.
  void kill_hard();
};

class KeeperFixture {
 public:
  KeeperFixture();
  // Ends the keeper and everything that descends from it.
  ~KeeperFixture();
  KeeperFixture(const KeeperFixture&) = delete;
  KeeperFixture& operator=(const KeeperFixture&) = delete;

  struct Launch {
    std::vector<std::string> arguments = {"--foreground"};
    int inherited_fd = -1;    // becomes number 7 in the keeper
    unsigned soft_files = 0;  // 0: as the test's
    unsigned hard_files = 0;
  };
  void start(const Launch& launch);
  void start() { start(Launch{}); }

  // Waits for the next daemon to be started.
  FakeDaemon next_daemon();
  // True if none comes within that time.
  bool no_daemon_within(int milliseconds);
  // Waits for the keeper's end: its exit code.
  int wait_for_end();

  pid_t pid() const { return pid_; }
  std::string home() const { return home_; }

 private:
  std::string home_;
  UniqueFd control_;
  pid_t pid_ = 0;
};

}  // namespace pmx::test
