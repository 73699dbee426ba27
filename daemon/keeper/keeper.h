// The keeper itself: parent and memory of all apps, starter of the daemon.
//
// Events (epoll): messages from the daemon, SIGCHLD, a pidfd of a process that is not our child,
// the restart timer, SIGTERM/SIGINT. Nothing happens without one of them.
//
// An app's exit reaches its slot whatever comes first: the exit of a pid no slot has is looked up
// again after reading the daemon's waiting messages, and kept aside while some slot is an intent.
#pragma once

#include "daemon/keeper/daemon_link.h"
#include "daemon/keeper/daemon_process.h"
#include "daemon/keeper/early_exits.h"
#include "daemon/keeper/slot_table.h"

namespace pmx::keeper {

class Keeper {
 public:
  // `slots` is empty and, as `daemon`, outlives the keeper.
  Keeper(SlotTable& slots, DaemonProcess& daemon) noexcept;

  // Makes what the loop needs: signals blocked and watched, epoll, timer. False: logged.
  [[nodiscard]] bool prepare() noexcept;
  // Runs until the daemon has shut down in order; returns the exit code. `adopted_link` (or -1) is
  // the link to a running daemon that is not our child: ours starts when that one is gone.
  [[nodiscard]] int run(int adopted_link) noexcept;

 private:
  void handle_event(std::uint64_t tag) noexcept;

  // Messages. False: the link is of no further use.
  bool read_link() noexcept;
  void handle_link() noexcept;
  void handle_message(const Message& message, const int* fds, int fd_count) noexcept;
  void store(const Message& message, const int* fds, int fd_count) noexcept;
  void acknowledge(const Message& message) noexcept;

  // Processes.
  void settle_process(int index) noexcept;
  void record_exit(int index, const ExitRecord& record) noexcept;
  void handle_foreign_exit(int index) noexcept;
  void reap() noexcept;
  void handle_unnamed_exit(const ExitRecord& record) noexcept;

  // The daemon.
  void start_daemon() noexcept;
  void handle_daemon_end(int wait_status) noexcept;
  void schedule_start(const char* what_happened) noexcept;
  void set_timer(int delay_ms) noexcept;
  void handle_signals() noexcept;
  void handle_stop_request() noexcept;

  SlotTable& slots_;
  DaemonProcess& daemon_;
  DaemonLink link_;
  EarlyExits early_exits_{};
  int epoll_fd_ = -1;
  int signal_fd_ = -1;
  int timer_fd_ = -1;
  int exit_code_ = -1;   // >= 0: the loop ends
  int first_tries_ = 0;  // failed ones before the first daemon that became ready
  bool was_ever_ready_ = false;
  bool is_daemon_ready_ = false;
  bool is_stop_requested_ = false;
};

}  // namespace pmx::keeper
