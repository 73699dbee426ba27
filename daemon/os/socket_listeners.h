// SocketListeners: the ListenerSet of real sockets, policy "shared": one socket per app and key.
// Each is meant to lie in the keeper's fd store as well, so that its accept queue outlives the
// daemon. Control thread only; no call blocks.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "common/base/unique_fd.h"
#include "daemon/ports/listener_set.h"

namespace pmx {

class SocketListeners : public ListenerSet {
 public:
  static constexpr std::size_t kMaxPerApp =
      256;  // then acquire gives EMFILE: an app that listens on ever new ports

  struct Entry {
    std::uint64_t app_id;
    const std::string& key;
    const std::string& data;
    int fd;  // borrowed
  };
  // Both run within the call that changes the set and must not call it back. Neither runs for
  // restore().
  struct Events {
    std::function<void(const Entry&)> on_stored;  // new, or its data changed
    std::function<void(std::uint64_t app_id, const std::string& key)> on_removed;
  };

  explicit SocketListeners(Events events) : events_(std::move(events)) {}
  // Closes its descriptors; Unix paths stay, as the sockets may live on in the fd store.
  ~SocketListeners() override = default;

  // ListenerSet. A TCP or Unix socket listens from the start: connections queue until a worker
  // accepts. Bound to the same port as another app's, or anybody's, gives EADDRINUSE. Port 0 keeps
  // the port it got. A Unix path that nobody serves is replaced.
  ListenResult acquire(std::uint64_t app_id, RunId run, const std::string& key,
                       const ListenRequest& request) override;
  void release(std::uint64_t, RunId, const std::string&) override {}
  void admit(std::uint64_t, RunId) override {}
  void retire(std::uint64_t, RunId) override {}
  void leave(std::uint64_t, RunId) override {}
  [[nodiscard]] int queued(std::uint64_t, RunId) const override { return 0; }
  [[nodiscard]] std::vector<int> ports(std::uint64_t, RunId) const override { return {}; }
  [[nodiscard]] std::vector<int> unattended(std::uint64_t, const std::string&) const override {
    return {};
  }
  [[nodiscard]] std::vector<ListenerStatus> status(std::uint64_t) const override { return {}; }
  std::string data(std::uint64_t app_id, const std::string& key) const override;
  void set_data(std::uint64_t app_id, const std::string& key, const std::string& json) override;
  void close_app(std::uint64_t app_id) override;

  // Takes back a socket from the fd store; `key` and `data` as stored. One already there is
  // replaced.
  void restore(std::uint64_t app_id, const std::string& key, const std::string& data, UniqueFd fd);

 private:
  // Where a Unix socket is in the file system. The inode tells whether the path is still ours when
  // it is to be removed.
  struct Place {
    std::string path;  // empty: none
    dev_t device = 0;
    ino_t inode = 0;
  };
  struct Socket {
    UniqueFd fd;
    std::string data;
    Place place;
  };
  using Name = std::pair<std::uint64_t, std::string>;

  static Place place_of(int fd);

  Events events_;
  std::map<Name, Socket> sockets_;
};

}  // namespace pmx
