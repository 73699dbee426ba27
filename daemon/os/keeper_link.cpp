#include "daemon/os/keeper_link.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

#include "common/base/error.h"
#include "daemon/keeper/link_io.h"

namespace pmx {

using keeper::LinkResult;
using keeper::Message;
using keeper::Verb;

namespace {

constexpr int kLoadTimeoutMs = 5000;

UniqueFd duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 10));
  if (!copy) throw std::system_error(errno, std::generic_category(), "duplicate descriptor");
  return copy;
}

}  // namespace

KeeperLink::KeeperLink(asio::io_context& io, UniqueFd link) : io_(io), link_(io) {
  const int flags = ::fcntl(link.get(), F_GETFL);
  if (flags < 0 || ::fcntl(link.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
      ::fcntl(link.get(), F_SETFD, FD_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "keeper link");
  }
  link_.assign(link.release());
}

void KeeperLink::load() {
  send(keeper::make_message(Verb::list, 0), {});
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(kLoadTimeoutMs);
  while (!loaded_) {
    pollfd entry{link_.native_handle(), POLLIN, 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                          deadline - std::chrono::steady_clock::now())
                          .count();
    if (left <= 0 || lost_) throw Error(ErrorCode::internal, "the keeper does not answer");
    if (::poll(&entry, 1, static_cast<int>(left)) > 0) receive();
  }
}

void KeeperLink::start(Events events) {
  events_ = std::move(events);
  wait_readable();
}

const KeeperLink::Slot* KeeperLink::find(std::uint64_t slot) const {
  const auto found = slots_.find(slot);
  return found != slots_.end() ? &found->second : nullptr;
}

void KeeperLink::store_intent(std::uint64_t slot, const std::string& state) {
  slots_[slot].state = state;
  Message message = keeper::make_message(Verb::store, slot);
  message.flags = keeper::is_intent;
  set_state(message, state);
  send(message, {});
}

void KeeperLink::store_process(std::uint64_t slot, pid_t pid, std::uint64_t start_time,
                               UniqueFd pidfd, std::vector<UniqueFd> fds) {
  Slot& entry = slots_[slot];
  entry.pid = pid;
  entry.start_time = start_time;
  entry.pidfd = std::move(pidfd);
  entry.fds = std::move(fds);
  Message message = keeper::make_message(Verb::store, slot);
  message.flags = keeper::has_pid;
  message.pid = pid;
  message.start_time = start_time;
  send(message, add_fds(message, entry));
  changed(slot);
}

void KeeperLink::store_fds(std::uint64_t slot, std::vector<UniqueFd> fds,
                           const std::string& state) {
  Slot& entry = slots_[slot];
  entry.fds = std::move(fds);
  entry.state = state;
  Message message = keeper::make_message(Verb::store, slot);
  set_state(message, state);
  send(message, add_fds(message, entry));
  changed(slot);
}

void KeeperLink::store_state(std::uint64_t slot, const std::string& state) {
  const auto found = slots_.find(slot);
  if (found == slots_.end() || found->second.state == state) return;
  found->second.state = state;
  Message message = keeper::make_message(Verb::store, slot);
  set_state(message, state);
  send(message, {});
  changed(slot);
}

void KeeperLink::drop(std::uint64_t slot) {
  if (slots_.erase(slot) == 0) return;
  send(keeper::make_message(Verb::drop, slot), {});
  changed(slot);
}

void KeeperLink::ready() { send(keeper::make_message(Verb::ready, 0), {}); }

void KeeperLink::mirror_to(UniqueFd socket) {
  mirror_ = std::make_unique<SlotMirror>(io_, std::move(socket), slots_);
}

void KeeperLink::changed(std::uint64_t slot) {
  if (mirror_) mirror_->changed(slot);
}

void KeeperLink::send(const Message& message, const std::vector<int>& fds) {
  if (lost_) return;
  if (queue_.empty()) {
    switch (keeper::send_message(link_.native_handle(), message, fds.data(),
                                 static_cast<int>(fds.size()))) {
      case LinkResult::done:
        return;
      case LinkResult::would_block:
        break;
      default:
        return;  // the reading side notices that the keeper is gone
    }
  }
  Queued queued{message, {}};
  for (const int fd : fds) queued.fds.push_back(duplicate(fd));
  queue_.push_back(std::move(queued));
  flush();
}

void KeeperLink::flush() {
  while (!queue_.empty()) {
    const Queued& front = queue_.front();
    std::vector<int> fds;
    for (const UniqueFd& fd : front.fds) fds.push_back(fd.get());
    const LinkResult result = keeper::send_message(link_.native_handle(), front.message, fds.data(),
                                                   static_cast<int>(fds.size()));
    if (result == LinkResult::would_block) {
      if (waiting_writable_) return;
      waiting_writable_ = true;
      link_.async_wait(asio::posix::stream_descriptor::wait_write,
                       [this](const std::error_code& error) {
                         waiting_writable_ = false;
                         if (!error) flush();
                       });
      return;
    }
    queue_.pop_front();
  }
}

void KeeperLink::wait_readable() {
  link_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const std::error_code& error) {
    if (error) return;
    receive();
    if (!lost_) wait_readable();
  });
}

void KeeperLink::receive() {
  for (;;) {
    Message message{};
    std::array<int, keeper::kMaxFds + 1> raw{};
    int count = 0;
    switch (keeper::receive_message(link_.native_handle(), message, raw.data(), count)) {
      case LinkResult::done:
        break;
      case LinkResult::malformed:
        continue;
      case LinkResult::would_block:
        return;
      default:
        lost();
        return;
    }
    std::vector<UniqueFd> fds;
    for (int i = 0; i < count; ++i) fds.emplace_back(raw.at(static_cast<std::size_t>(i)));
    take(message, std::move(fds));
  }
}

void KeeperLink::take(const Message& message, std::vector<UniqueFd> fds) {
  switch (message.verb) {
    case Verb::slot: {
      Slot& slot = slots_[message.slot];
      if ((message.flags & keeper::has_pid) != 0) {
        slot.pid = message.pid;
        slot.start_time = message.start_time;
      }
      if ((message.flags & keeper::has_pidfd) != 0 && !fds.empty()) {
        slot.pidfd = std::move(fds.front());
        fds.erase(fds.begin());
      }
      slot.fds = std::move(fds);
      slot.state.assign(static_cast<const char*>(message.state),
                        std::min<std::size_t>(message.state_size, keeper::kStateBytes));
      if ((message.flags & keeper::has_exit) != 0) slot.exit = message.exit;
      return;
    }
    case Verb::list_end:
      loaded_ = true;
      return;
    case Verb::exited: {
      const auto found = slots_.find(message.slot);
      if (found == slots_.end()) {
        send(keeper::make_message(Verb::drop, message.slot), {});
        return;
      }
      // Told once by the slot list and once more by the keeper's repetition.
      const bool first = !found->second.exit.has_value();
      found->second.exit = message.exit;
      if (first) changed(message.slot);
      if (first && events_.on_exit) events_.on_exit(message.slot, message.exit);
      return;
    }
    default:
      return;
  }
}

void KeeperLink::lost() {
  if (std::exchange(lost_, true)) return;
  if (events_.on_lost) events_.on_lost();
}

}  // namespace pmx
