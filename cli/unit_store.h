// The main process of a systemd unit as the way to systemd's file descriptor store: it alone is
// listened to (NotifyAccess=main), and it gets the descriptors back when the unit is started again.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"

namespace pmx::cli {

// sd_notify(3), with copies of `fds`. Without effect if systemd does not ask for it; throws
// Error(unavailable) if it cannot be told.
class SystemdNotifier {
 public:
  SystemdNotifier();
  [[nodiscard]] bool is_listening() const { return socket_ && error_ == 0; }
  void tell(const std::string& text, const std::vector<int>& fds = {}) const;

 private:
  std::string path_;
  UniqueFd socket_;
  int error_ = 0;  // errno of connecting
};

// What was stored before this process was started (sd_listen_fds_with_names(3)); the descriptors
// 3, 4, ... are this process' until they are closed.
struct StoredDescriptors {
  int count = 0;
  std::string names;  // with ':' between
};
StoredDescriptors stored_descriptors();
// Once somebody has them or nobody needs them.
void close_stored_descriptors();

// Passes on what the daemon wants to be stored (common/protocol/unit_store.h).
class UnitStore {
 public:
  // Listens at `path`. Throws std::system_error.
  UnitStore(std::string path, const SystemdNotifier& notifier);
  UnitStore(const UnitStore&) = delete;
  UnitStore& operator=(const UnitStore&) = delete;
  ~UnitStore();

  // To be polled for POLLIN, then handle() is called. The daemon's connection, or where it is awaited.
  [[nodiscard]] int fd() const { return connection_ ? connection_.get() : listener_.get(); }
  // False: there is no daemon at the other end (any more), it has to be asked for one.
  [[nodiscard]] bool is_connected() const { return static_cast<bool>(connection_); }
  void handle();

 private:
  void accept_latest();
  void forget(const std::string& name);

  std::string path_;
  const SystemdNotifier& notifier_;
  UniqueFd listener_;
  UniqueFd connection_;
  std::set<std::string> names_;  // in the store
  std::set<std::string> seen_;   // of these, told on this connection
};

}  // namespace pmx::cli
