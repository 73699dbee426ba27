#include "daemon/keeper/slot_table.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/keeper/log.h"

namespace pmx::keeper {

void SlotTable::watch_with(int epoll_fd, std::uint64_t event_base) noexcept {
  epoll_fd_ = epoll_fd;
  event_base_ = event_base;
}

int SlotTable::find(std::uint64_t id) const noexcept {
  const auto* end = ids_ + size_;
  const auto* found = std::find(ids_, end, id);
  return found == end ? kNone : static_cast<int>(found - ids_);
}

int SlotTable::find_running(pid_t pid) const noexcept {
  const auto* end = running_ + size_;
  const auto* found = std::find(running_, end, pid);
  return found == end ? kNone : static_cast<int>(found - running_);
}

int SlotTable::find_or_create(std::uint64_t id) noexcept {
  if (const int index = find(id); index != kNone) return index;
  int index = find(0);
  if (index == kNone) {
    if (size_ == kMaxSlots) return kNone;
    index = size_++;
  }
  ids_[index] = id;
  slots_[index] = Slot{};
  slots_[index].pidfd = -1;
  return index;
}

void SlotTable::store(int index, const Message& message, const int* fds, int fd_count) noexcept {
  Slot& slot = slots_[index];
  const bool wants_fds = (message.flags & has_fds) != 0;
  if ((message.flags & has_pid) != 0) {
    forget_process(index);
    set_intent(slot, false);
    slot.pid = std::max(message.pid, 0);
    slot.start_time = message.start_time;
    set_running(index, slot.pid);
  }
  if ((message.flags & is_intent) != 0) set_intent(slot, true);
  if ((message.flags & has_state) != 0) {
    slot.state_size = message.state_size;
    std::memcpy(slot.state, message.state, message.state_size);
  }
  int taken = 0;
  if ((message.flags & has_pidfd) != 0 && fd_count > 0) {
    close_pidfd(index);
    slot.pidfd = fds[taken++];
  }
  if (wants_fds) {
    close_fds(slot);
    const int wanted = static_cast<int>(message.fd_count);
    while (taken < fd_count && slot.fd_count < wanted) slot.fds[slot.fd_count++] = fds[taken++];
  }
  while (taken < fd_count) close(fds[taken++]);
  // Last, because it makes the slot count as ended.
  if ((message.flags & (has_pid | has_exit)) == (has_pid | has_exit)) {
    record_exit(index, message.exit);
  }
}

void SlotTable::record_exit(int index, const ExitRecord& record) noexcept {
  Slot& slot = slots_[index];
  slot.exit = record;
  slot.has_exit = true;
  set_running(index, 0);
}

void SlotTable::forget_process(int index) noexcept {
  Slot& slot = slots_[index];
  close_pidfd(index);
  slot.pid = 0;
  slot.start_time = 0;
  slot.has_exit = false;
  slot.is_unsent = false;
  set_running(index, 0);
}

void SlotTable::drop(int index) noexcept {
  Slot& slot = slots_[index];
  forget_process(index);
  set_intent(slot, false);
  close_fds(slot);
  ids_[index] = 0;
  while (size_ > 0 && ids_[size_ - 1] == 0) --size_;
}

void SlotTable::watch(int index, Until until) noexcept {
  Slot& slot = slots_[index];
  epoll_event event{};
  // Being reaped shows as EPOLLHUP, which is always reported.
  event.events = until == Until::ended ? EPOLLIN : 0U;
  event.data.u64 = event_base_ + static_cast<std::uint64_t>(index);
  const int operation = slot.is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  slot.is_watched = epoll_ctl(epoll_fd_, operation, slot.pidfd, &event) == 0;
  if (!slot.is_watched) log_line("cannot watch process %d: %s", slot.pid, strerrordesc_np(errno));
}

void SlotTable::unwatch(int index) noexcept {
  Slot& slot = slots_[index];
  if (slot.is_watched) epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, slot.pidfd, nullptr);
  slot.is_watched = false;
}

int SlotTable::describe(int index, Message& message, int* fds) const noexcept {
  const Slot& slot = slots_[index];
  int count = 0;
  if (slot.pid != 0) {
    message.flags |= has_pid;
    message.pid = slot.pid;
    message.start_time = slot.start_time;
  }
  if (slot.pidfd >= 0) {
    message.flags |= has_pidfd;
    fds[count++] = slot.pidfd;
  }
  if (slot.fd_count > 0) {
    message.flags |= has_fds;
    message.fd_count = static_cast<std::uint32_t>(slot.fd_count);
    count = static_cast<int>(std::copy(slot.fds, slot.fds + slot.fd_count, fds + count) - fds);
  }
  if (slot.state_size > 0) {
    message.flags |= has_state;
    message.state_size = slot.state_size;
    std::memcpy(message.state, slot.state, slot.state_size);
  }
  if (slot.has_exit) {
    message.flags |= has_exit;
    message.exit = slot.exit;
  }
  if (slot.is_intent) message.flags |= is_intent;
  return count;
}

void SlotTable::set_intent(Slot& slot, bool is_intent) noexcept {
  intents_ += static_cast<int>(is_intent) - static_cast<int>(slot.is_intent);
  slot.is_intent = is_intent;
}

void SlotTable::set_running(int index, pid_t pid) noexcept {
  running_count_ += static_cast<int>(pid != 0) - static_cast<int>(running_[index] != 0);
  running_[index] = pid;
}

void SlotTable::close_pidfd(int index) noexcept {
  Slot& slot = slots_[index];
  if (slot.pidfd < 0) return;
  // The daemon may hold the same open file, so closing alone would not end the watch.
  unwatch(index);
  close(slot.pidfd);
  slot.pidfd = -1;
}

void SlotTable::close_fds(Slot& slot) noexcept {
  for (int i = 0; i < slot.fd_count; ++i) close(slot.fds[i]);
  slot.fd_count = 0;
}

}  // namespace pmx::keeper
