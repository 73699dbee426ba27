// SlotMirror: a copy of every slot with somebody who outlives keeper and daemon. That is systemd's
// file descriptor store (FDSTORE in sd_notify(3)), by way of the unit's main process (`pmx unit
// run`), the only one that systemd listens to. Without a unit there is no mirror.
//
// Each slot is one name in that store, with its descriptors and one more: a memory file that says
// all that is no descriptor. The store does not keep an order.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/unique_fd.h"
#include "daemon/os/keeper_slots.h"

namespace pmx {

class SlotMirror {
 public:
  // `socket` keeps messages apart; `slots` outlives the mirror. All of them are sent, then
  // protocol::kMirrored.
  SlotMirror(asio::io_context& io, UniqueFd socket, const KeeperSlots& slots);

  // That slot is no longer as it was. Sent soon, in the order of slots; one that changes again before
  // is sent once. If the other end is gone: nothing more is sent.
  void changed(std::uint64_t slot);

 private:
  void flush();
  bool send(std::uint64_t slot);

  asio::posix::stream_descriptor socket_;
  const KeeperSlots& slots_;
  std::set<std::uint64_t> changed_;
  bool waiting_ = false;
  bool complete_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

struct NamedFd {
  std::string name;
  UniqueFd fd;
};

// The slots of a mirror, from what the store has given back. A process that has ended meanwhile has
// an exit record that does not know how. What is incomplete or of another build is left out.
KeeperSlots mirrored_slots(std::vector<NamedFd> stored);

}  // namespace pmx
