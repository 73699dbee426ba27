// Keeps an app's listening sockets in the keeper's fd store, so that their queues outlive the
// daemon.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "daemon/os/keeper_link.h"
#include "daemon/os/socket_listeners.h"

namespace pmx {

class ListenerStore {
 public:
  explicit ListenerStore(KeeperLink& link);

  // The ListenerSet whose sockets are kept.
  [[nodiscard]] SocketListeners& listeners() noexcept { return listeners_; }
  // Takes back what an earlier daemon has kept.
  void restore();

 private:
  using Name = std::pair<std::uint64_t, std::string>;

  void stored(const SocketListeners::Entry& entry);
  void removed(std::uint64_t app_id, const std::string& key);

  KeeperLink& link_;
  SocketListeners listeners_;
  std::map<Name, std::uint64_t> numbers_;
  std::uint64_t last_number_ = 0;
};

}  // namespace pmx
