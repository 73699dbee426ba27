#include "daemon/keeper/daemon_link.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/keeper/log.h"

namespace pmx::keeper {

void DaemonLink::open(int socket) noexcept {
  close();
  socket_ = socket;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = event_;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, socket_, &event) != 0) {
    log_line("cannot watch the link: %s", strerrordesc_np(errno));
  }
}

void DaemonLink::close() noexcept {
  if (socket_ < 0) return;
  // The other end's process may still hold a copy of this end, so closing alone would not do.
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, socket_, nullptr);
  ::close(socket_);
  socket_ = -1;
  list_cursor_ = kNoList;
  has_listed_ = false;
  has_unsent_ = false;
  waits_for_room_ = false;
}

void DaemonLink::begin_list() noexcept {
  has_listed_ = true;
  list_cursor_ = 0;
  for (int i = 0; i < slots_.size(); ++i) {
    if (slots_.is_used(i)) slots_.at(i).is_unsent = slots_.at(i).has_exit;
  }
  has_unsent_ = true;
}

void DaemonLink::post_exit(int index) noexcept {
  slots_.at(index).is_unsent = true;
  has_unsent_ = has_listed_;  // if not, the list will tell
}

void DaemonLink::flush() noexcept {
  if (socket_ < 0) return;
  const bool is_all_sent = send_list() && send_exits();
  wait_for_room(!is_all_sent);
}

bool DaemonLink::send_list() noexcept {
  for (; list_cursor_ != kNoList && list_cursor_ < slots_.size(); ++list_cursor_) {
    if (!slots_.is_used(list_cursor_)) continue;
    Message message = make_message(Verb::slot, slots_.id(list_cursor_));
    int fds[kMaxMessageFds];
    const int count = slots_.describe(list_cursor_, message, fds);
    if (!send(message, fds, count)) return false;
  }
  if (list_cursor_ == kNoList) return true;
  Message end = make_message(Verb::list_end, 0);
  if (!send(end, nullptr, 0)) return false;
  list_cursor_ = kNoList;
  return true;
}

bool DaemonLink::send_exits() noexcept {
  for (int i = 0; has_unsent_ && i < slots_.size(); ++i) {
    if (!slots_.is_used(i) || !slots_.at(i).is_unsent) continue;
    Message message = make_message(Verb::exited, slots_.id(i));
    message.flags = has_exit;
    message.pid = slots_.at(i).exit.pid;
    message.exit = slots_.at(i).exit;
    if (!send(message, nullptr, 0)) return false;
    slots_.at(i).is_unsent = false;
  }
  has_unsent_ = false;
  return true;
}

// False: not now. A daemon that is gone takes everything, as its end is noticed elsewhere and the
// next one lists anew.
bool DaemonLink::send(Message& message, const int* fds, int fd_count) noexcept {
  const LinkResult result = send_message(socket_, message, fds, fd_count);
  if (result == LinkResult::failed) {
    log_line("cannot send to the daemon: %s", strerrordesc_np(errno));
  }
  return result != LinkResult::would_block;
}

void DaemonLink::wait_for_room(bool is_wanted) noexcept {
  if (is_wanted == waits_for_room_) return;
  epoll_event event{};
  // Edge-triggered: a socket that is writable but refuses (descriptors in flight) must not spin.
  event.events = is_wanted ? EPOLLIN | EPOLLOUT | EPOLLET : EPOLLIN;
  event.data.u64 = event_;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, socket_, &event) == 0) waits_for_room_ = is_wanted;
}

}  // namespace pmx::keeper
