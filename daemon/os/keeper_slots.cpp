#include "daemon/os/keeper_slots.h"

#include <algorithm>
#include <cstring>

#include "daemon/keeper/link_io.h"

namespace pmx {

using keeper::Message;
using keeper::Verb;

void set_state(Message& message, const std::string& state) {
  message.flags |= keeper::has_state;
  message.state_size =
      static_cast<std::uint32_t>(std::min<std::size_t>(state.size(), keeper::kStateBytes));
  std::memcpy(static_cast<char*>(message.state), state.data(), message.state_size);
}

std::vector<int> add_fds(Message& message, const KeeperSlot& slot) {
  std::vector<int> fds;
  if (slot.pidfd) {
    message.flags |= keeper::has_pidfd;
    fds.push_back(slot.pidfd.get());
  }
  if (!slot.fds.empty()) {
    message.flags |= keeper::has_fds;
    message.fd_count = static_cast<std::uint32_t>(slot.fds.size());
    for (const UniqueFd& fd : slot.fds) fds.push_back(fd.get());
  }
  return fds;
}

Message store_message(std::uint64_t id, const KeeperSlot& slot) {
  Message message = keeper::make_message(Verb::store, id);
  if (slot.pid != 0) {
    message.flags |= keeper::has_pid;
    message.pid = slot.pid;
    message.start_time = slot.start_time;
  }
  if (slot.exit) {
    message.flags |= keeper::has_exit;
    message.exit = *slot.exit;
  }
  set_state(message, slot.state);
  return message;
}

}  // namespace pmx
