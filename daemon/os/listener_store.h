// Keeps an app's listening sockets in the keeper's fd store, so that their queues outlive the
// daemon.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>

#include "daemon/os/keeper_link.h"
#include "daemon/os/socket_listeners.h"

namespace pmx {

class ListenerStore {
 public:
  using Attendance = decltype(SocketListeners::Events::on_attendance_changed);

  ListenerStore(KeeperLink& link, Attendance on_attendance_changed);

  // The ListenerSet whose sockets are kept.
  [[nodiscard]] SocketListeners& listeners() noexcept { return listeners_; }
  // Takes back what an earlier daemon has kept.
  void restore();

 private:
  // App, key, index.
  using Name = std::tuple<std::uint64_t, std::string, std::size_t>;

  void stored(const SocketListeners::Entry& entry, int fd);
  void removed(const SocketListeners::Entry& entry);

  KeeperLink& link_;
  SocketListeners listeners_;
  std::map<Name, std::uint64_t> numbers_;
  std::uint64_t last_number_ = 0;
};

}  // namespace pmx
