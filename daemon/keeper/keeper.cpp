#include "daemon/keeper/keeper.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "daemon/keeper/log.h"
#include "daemon/keeper/process_state.h"

namespace pmx::keeper {
namespace {

// Tags of epoll events; slots follow.
constexpr std::uint64_t kSignalEvent = 1;
constexpr std::uint64_t kTimerEvent = 2;
constexpr std::uint64_t kLinkEvent = 3;
constexpr std::uint64_t kFirstSlotEvent = 16;

// With the delays between them some 6 s: whoever waits for the first daemon has been told, and what
// is wrong does not mend itself. A daemon that has been ready is started again for ever.
constexpr int kFirstTries = 8;

void ignore(int number) {
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  sigaction(number, &action, nullptr);
}

bool watch(int epoll_fd, int fd, std::uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  return fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Keeper::Keeper(SlotTable& slots, DaemonProcess& daemon) noexcept
    : slots_(slots), daemon_(daemon), link_(slots, kLinkEvent) {}

bool Keeper::prepare() noexcept {
  for (const int number : {SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2}) ignore(number);
  // A caller that ignores SIGCHLD would have our children reaped behind our back.
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &plain, nullptr);
  sigset_t handled;
  sigemptyset(&handled);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&handled, number);
  sigprocmask(SIG_SETMASK, &handled, nullptr);

  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  signal_fd_ = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
  timer_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  slots_.watch_with(epoll_fd_, kFirstSlotEvent);
  link_.use_epoll(epoll_fd_);
  if (watch(epoll_fd_, signal_fd_, kSignalEvent) && watch(epoll_fd_, timer_fd_, kTimerEvent)) {
    return true;
  }
  log_line("cannot start: %s", strerrordesc_np(errno));
  return false;
}

int Keeper::run(int adopted_link) noexcept {
  if (adopted_link >= 0) {
    log_line("taking over from a keeper that is gone");
    was_ever_ready_ = true;
    link_.open(adopted_link);
  } else {
    start_daemon();
  }
  while (exit_code_ < 0) {
    epoll_event events[16];
    const int count = epoll_wait(epoll_fd_, events, 16, -1);
    for (int i = 0; i < count && exit_code_ < 0; ++i) handle_event(events[i].data.u64);
    if (!slots_.has_intents()) early_exits_.clear();
    link_.flush();
  }
  return exit_code_;
}

void Keeper::handle_event(std::uint64_t tag) noexcept {
  switch (tag) {
    case kSignalEvent:
      handle_signals();
      break;
    case kTimerEvent: {
      std::uint64_t times = 0;
      if (read(timer_fd_, &times, sizeof times) > 0) start_daemon();
      break;
    }
    case kLinkEvent:
      handle_link();
      break;
    default:
      handle_foreign_exit(static_cast<int>(tag - kFirstSlotEvent));
  }
}

// Messages

bool Keeper::read_link() noexcept {
  while (link_.is_open()) {
    Message message;
    int fds[kMaxMessageFds];
    int fd_count = 0;
    switch (link_.receive(message, fds, fd_count)) {
      case LinkResult::done:
        handle_message(message, fds, fd_count);
        break;
      case LinkResult::would_block:
        return true;
      case LinkResult::closed:
        return false;
      case LinkResult::malformed:
      case LinkResult::failed:
        log_line("the daemon sent what this keeper does not understand; ending it");
        if (daemon_.pid() > 0) kill(daemon_.pid(), SIGKILL);
        return false;
    }
  }
  return false;
}

void Keeper::handle_link() noexcept {
  // An event left over from a link closed in the same round.
  if (!link_.is_open() || read_link()) return;
  link_.close();
  // Our own daemon's end comes by SIGCHLD.
  if (daemon_.pid() == 0) schedule_start("the daemon taken over has gone");
}

void Keeper::handle_message(const Message& message, const int* fds, int fd_count) noexcept {
  if (message.verb == Verb::store) {
    store(message, fds, fd_count);
    return;
  }
  for (int i = 0; i < fd_count; ++i) close(fds[i]);
  switch (message.verb) {
    case Verb::list:
      link_.begin_list();
      break;
    case Verb::drop:
      if (const int index = slots_.find(message.slot); index != SlotTable::kNone) {
        slots_.drop(index);
      }
      break;
    case Verb::ack:
      acknowledge(message);
      break;
    case Verb::ready:
      is_daemon_ready_ = true;
      was_ever_ready_ = true;
      daemon_.mark_ready();
      log_line("daemon (pid %d) is ready", daemon_.pid());
      if (is_stop_requested_ && daemon_.pid() > 0) kill(daemon_.pid(), SIGTERM);
      break;
    case Verb::store:
    case Verb::slot:
    case Verb::list_end:
    case Verb::exited:
      break;
  }
}

void Keeper::store(const Message& message, const int* fds, int fd_count) noexcept {
  const int index = message.slot == 0 ? SlotTable::kNone : slots_.find_or_create(message.slot);
  if (index == SlotTable::kNone) {
    log_line("no room for slot %llu (pid %d)", static_cast<unsigned long long>(message.slot),
             message.pid);
    for (int i = 0; i < fd_count; ++i) close(fds[i]);
    return;
  }
  if (fd_count < announced_fds(message)) {
    log_line("slot %llu: only %d of %d descriptors could be kept",
             static_cast<unsigned long long>(message.slot), fd_count, announced_fds(message));
  }
  slots_.store(index, message, fds, fd_count);
  if ((message.flags & has_pid) != 0) settle_process(index);
}

void Keeper::acknowledge(const Message& message) noexcept {
  const int index = slots_.find(message.slot);
  if (index == SlotTable::kNone || !slots_.at(index).has_exit) return;
  // A late word about an earlier process of this slot must not touch the present one.
  if (message.pid != 0 && message.pid != slots_.at(index).exit.pid) return;
  slots_.forget_process(index);
}

// Processes

// Makes sure that the end of the process just put into a slot will be noticed, or was.
void Keeper::settle_process(int index) noexcept {
  Slot& slot = slots_.at(index);
  if (slot.has_exit) {
    link_.post_exit(index);
    return;
  }
  if (slot.pid == 0 || is_own_child(slot.pid, slot.pidfd)) return;
  if (ExitRecord early; early_exits_.take(slot.pid, early)) {
    record_exit(index, early);
    return;
  }
  // Somebody else's child, from before an earlier keeper died.
  if (slot.pidfd < 0) slot.pidfd = open_pidfd(slot.pid);
  if (slot.pidfd >= 0) {
    slots_.watch(index, SlotTable::Until::ended);
  } else {
    record_exit(index, make_exit_record(slot.pid, nullptr, nullptr));
  }
}

void Keeper::record_exit(int index, const ExitRecord& record) noexcept {
  slots_.record_exit(index, record);
  link_.post_exit(index);
}

void Keeper::handle_foreign_exit(int index) noexcept {
  // Events of a slot changed in the same round are void.
  if (index >= slots_.size() || !slots_.is_used(index)) return;
  Slot& slot = slots_.at(index);
  if (!slot.is_watched || slot.has_exit) return;
  int wait_status = 0;
  switch (read_pidfd_exit(slot.pidfd, wait_status)) {
    case PidfdState::running:
      slots_.watch(index, SlotTable::Until::reaped);
      break;
    case PidfdState::ended:
      record_exit(index, make_exit_record(slot.pid, &wait_status, nullptr));
      slots_.unwatch(index);
      break;
    case PidfdState::unknown:
      record_exit(index, make_exit_record(slot.pid, nullptr, nullptr));
      slots_.unwatch(index);
      break;
  }
}

void Keeper::reap() noexcept {
  int daemon_status = 0;
  bool has_daemon_ended = false;
  for (;;) {
    int wait_status = 0;
    rusage usage{};
    const pid_t pid = wait4(-1, &wait_status, WNOHANG | __WALL, &usage);
    if (pid <= 0) break;
    if (pid == daemon_.pid()) {
      daemon_status = wait_status;
      has_daemon_ended = true;
      continue;
    }
    const ExitRecord record = make_exit_record(pid, &wait_status, &usage);
    const int index = slots_.find_running(pid);
    if (index != SlotTable::kNone) {
      record_exit(index, record);
    } else {
      handle_unnamed_exit(record);
    }
  }
  if (has_daemon_ended) handle_daemon_end(daemon_status);
}

// An orphan, or an app whose name is still on its way. The daemon announced it before making it, so
// the announcement at least is in the socket by now; what is not claimed is forgotten when no slot
// is an intent after this round.
void Keeper::handle_unnamed_exit(const ExitRecord& record) noexcept {
  early_exits_.remember(record);
  handle_link();
}

// The daemon

void Keeper::start_daemon() noexcept {
  is_daemon_ready_ = false;
  const int socket = daemon_.start();
  if (socket >= 0) {
    link_.open(socket);
  } else {
    schedule_start("the daemon cannot be started");
  }
}

void Keeper::handle_daemon_end(int wait_status) noexcept {
  read_link();  // what it said last counts
  link_.close();
  const pid_t pid = daemon_.pid();
  daemon_.mark_ended();

  char how[100];
  if (WIFSIGNALED(wait_status)) {
    const char* name = sigabbrev_np(WTERMSIG(wait_status));
    std::snprintf(how, sizeof how, "daemon (pid %d) ended by signal SIG%s", pid,
                  name == nullptr ? "?" : name);
  } else {
    std::snprintf(how, sizeof how, "daemon (pid %d) ended with code %d", pid,
                  WEXITSTATUS(wait_status));
  }
  const int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
  if (code == kExitShutdown) {
    exit_code_ = 0;
  } else if (!slots_.has_processes()) {
    if (code == kExitRefused) exit_code_ = kExitRefused;
    if (is_stop_requested_) exit_code_ = 0;
  }
  if (exit_code_ >= 0) {
    log_line("%s; ending too", how);
  } else {
    schedule_start(how);
  }
}

void Keeper::schedule_start(const char* what_happened) noexcept {
  if (!was_ever_ready_ && ++first_tries_ >= kFirstTries && !slots_.has_processes()) {
    log_line("%s; no daemon has become ready in %d tries and nothing runs: ending too",
             what_happened, first_tries_);
    exit_code_ = kExitNeverReady;
    return;
  }
  const int delay_ms = daemon_.take_delay_ms();
  log_line("%s; starting it again in %d ms", what_happened, delay_ms);
  set_timer(delay_ms);
}

void Keeper::set_timer(int delay_ms) noexcept {
  itimerspec when{};
  when.it_value.tv_sec = delay_ms / 1000;
  // All zero would disarm it.
  when.it_value.tv_nsec = delay_ms == 0 ? 1 : (delay_ms % 1000) * 1'000'000L;
  timerfd_settime(timer_fd_, 0, &when, nullptr);
}

void Keeper::handle_signals() noexcept {
  bool has_child_news = false;
  signalfd_siginfo info;
  while (read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGCHLD) {
      has_child_news = true;
    } else {
      handle_stop_request();
    }
  }
  if (has_child_news) reap();
}

// The daemon stops the apps in order and ends with kExitShutdown; one that is not yet ready is
// told when it is, or by the second request.
void Keeper::handle_stop_request() noexcept {
  const bool is_repeated = is_stop_requested_;
  is_stop_requested_ = true;
  if (daemon_.pid() > 0) {
    log_line("asked to stop; telling the daemon");
    if (is_daemon_ready_ || is_repeated) kill(daemon_.pid(), SIGTERM);
  } else if (!link_.is_open()) {
    if (slots_.has_processes()) {
      set_timer(0);
    } else {
      log_line("asked to stop; ending");
      exit_code_ = 0;
    }
  }
}

}  // namespace pmx::keeper
