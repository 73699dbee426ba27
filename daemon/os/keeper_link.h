// KeeperLink: the daemon's side of the keeper. Holds a mirror of every slot with descriptors of its
// own, so that a lost keeper can be replaced and nothing need be asked back. Control thread only;
// after load() no call blocks.
#pragma once

#include <sys/types.h>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "daemon/keeper/wire.h"
#include "daemon/os/keeper_slots.h"
#include "daemon/os/slot_mirror.h"

namespace pmx {

class KeeperLink {
 public:
  using Slot = KeeperSlot;
  struct Events {
    std::function<void(std::uint64_t slot, const keeper::ExitRecord&)> on_exit;
    std::function<void()> on_lost;  // the keeper is gone; the link is of no more use
  };

  // `link` is the inherited end of the socket pair.
  KeeperLink(asio::io_context& io, UniqueFd link);

  // Asks for all slots; blocks until they are here. Throws Error(internal) if the keeper does not
  // answer within 5 s.
  void load();
  // From now on reports what comes.
  void start(Events events);

  [[nodiscard]] const KeeperSlots& slots() const noexcept { return slots_; }
  [[nodiscard]] const Slot* find(std::uint64_t slot) const;

  // A process is about to be made for this slot.
  void store_intent(std::uint64_t slot, const std::string& state);
  void store_process(std::uint64_t slot, pid_t pid, std::uint64_t start_time, UniqueFd pidfd,
                     std::vector<UniqueFd> fds);
  void store_fds(std::uint64_t slot, std::vector<UniqueFd> fds, const std::string& state);
  void store_state(std::uint64_t slot, const std::string& state);
  void drop(std::uint64_t slot);
  void ready();

  // From now on there is a copy of all slots at the other end of `socket`, too.
  void mirror_to(UniqueFd socket);

 private:
  struct Queued {
    keeper::Message message{};
    std::vector<UniqueFd> fds;
  };

  void send(const keeper::Message& message, const std::vector<int>& fds);
  void flush();
  void wait_readable();
  void receive();
  void take(const keeper::Message& message, std::vector<UniqueFd> fds);
  void lost();

  void changed(std::uint64_t slot);

  asio::io_context& io_;
  asio::posix::stream_descriptor link_;
  KeeperSlots slots_;
  std::unique_ptr<SlotMirror> mirror_;
  Events events_;
  std::deque<Queued> queue_;
  bool loaded_ = false;
  bool waiting_writable_ = false;
  bool lost_ = false;
};

}  // namespace pmx
