// SocketListeners: the ListenerSet of real sockets. Each is meant to lie in the keeper's fd store
// as well, so that its accept queue outlives the daemon. Control thread only; no call blocks.
//
// `slots`: the index of a socket in the kernel's SO_REUSEPORT group is its place in the order of
// listen(), and closing one would move the last into its place. So the sockets of a group are only
// ever added, one when no slot is free, and closed together with the app's end. Nobody else may be
// in the group: the port is claimed plainly first, and a stranger who came later keeps the group
// from growing (a further run then shares another's slot).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/unique_fd.h"
#include "daemon/os/listening_socket.h"
#include "daemon/os/reuseport_steering.h"
#include "daemon/ports/listener_set.h"

namespace pmx {

class SocketListeners : public ListenerSet {
 public:
  // Then acquire gives EMFILE: an app that listens on ever new ports.
  static constexpr std::size_t kMaxPerApp = 256;

  // One socket, as it is stored.
  struct Entry {
    std::uint64_t app_id = 0;
    std::string key = {};
    Balance balance = Balance::shared;
    std::size_t index = 0;            // in the group
    std::optional<RunId> owner = {};  // slots only
    std::string remark = {};          // of the key; in the entry of index 0 only
    std::string data = {};            // likewise
  };
  // All run within the call that changes the set, may be empty, and must not change it. None runs for
  // restore().
  struct Events {
    std::function<void(const Entry&, int fd)> on_stored;  // new, or something of it changed
    std::function<void(const Entry&)> on_removed;
    // Sockets of this key have, or no longer have, somebody who accepts or is expected to.
    std::function<void(std::uint64_t app_id, const std::string& key)> on_attendance_changed;
  };

  explicit SocketListeners(Events events) : events_(std::move(events)) {}
  // Closes its descriptors; Unix paths stay, as the sockets may live on in the fd store.
  ~SocketListeners() override = default;

  // ListenerSet. A TCP or Unix socket listens from the start: connections queue until a worker
  // accepts. Bound to the same port as another app's, or anybody's, gives EADDRINUSE. Port 0 keeps
  // the port it got. A Unix path that nobody serves is replaced.
  ListenResult acquire(std::uint64_t app_id, RunId run, const std::string& key,
                       const ListenRequest& request) override;
  void rejoin(std::uint64_t app_id, RunId run, const std::string& key) override;
  void release(std::uint64_t app_id, RunId run, const std::string& key) override;
  void admit(std::uint64_t app_id, RunId run) override;
  void retire(std::uint64_t app_id, RunId run) override;
  void leave(std::uint64_t app_id, RunId run) override;
  [[nodiscard]] bool is_steered(std::uint64_t app_id, RunId run) const override;
  void expect_runs(std::uint64_t app_id, bool expected) override;
  [[nodiscard]] bool expects_runs(std::uint64_t app_id) const override;
  void count_reset(std::uint64_t app_id, const std::string& key) override;
  bool aim(std::uint64_t app_id, RunId run, int port, std::uint16_t client_port) override;
  void clear_aim(std::uint64_t app_id, int port, std::uint16_t client_port) override;
  [[nodiscard]] int queued(std::uint64_t app_id, RunId run) const override;
  [[nodiscard]] std::vector<int> ports(std::uint64_t app_id, RunId run) const override;
  [[nodiscard]] std::vector<int> unattended(std::uint64_t app_id,
                                            const std::string& key) const override;
  [[nodiscard]] std::vector<RunId> live(std::uint64_t app_id,
                                        const std::string& key) const override;
  std::string data(std::uint64_t app_id, const std::string& key) const override;
  void set_data(std::uint64_t app_id, const std::string& key, const std::string& json) override;
  [[nodiscard]] std::vector<ListenerStatus> status(std::uint64_t app_id) const override;
  void close_app(std::uint64_t app_id) override;

  // Takes back a socket from the fd store, in any order; `entry` as stored. One already there is
  // replaced.
  void restore(const Entry& entry, UniqueFd fd);

 private:
  struct Slot {
    UniqueFd fd;
    std::optional<RunId> owner;
    std::optional<int> last_pm_id;
  };
  struct Group {
    Balance balance = Balance::shared;
    int backlog = 0;
    std::string remark;
    std::string data;
    SocketPlace place;
    std::vector<Slot> slots;  // shared and rr: one
    std::set<RunId> members;  // shared and rr; of slots those that have none of their own
    std::vector<std::size_t> steered;
    std::vector<AimedClient> aimed;
    std::uint64_t reset = 0;
    bool is_restored = false;  // runs may have it of which we have not heard
  };
  using Name = std::pair<std::uint64_t, std::string>;
  using Groups = std::map<Name, Group>;
  enum class Stage { admitted, retired };

  // What an app has: [first, second).
  std::pair<Groups::iterator, Groups::iterator> groups_of(std::uint64_t app_id);
  [[nodiscard]] std::pair<Groups::const_iterator, Groups::const_iterator> groups_of(
      std::uint64_t app_id) const;
  std::string who_holds(int port, int error);
  ListenResult open_group(const Name& name, const ListenRequest& request);
  ListenResult give_slot(const Name& name, Group& group, RunId run, bool blocking);
  bool add_slot(const Name& name, Group& group);
  [[nodiscard]] int strangers_in(const Group& group) const;
  void set_owner(const Name& name, Group& group, std::size_t index, std::optional<RunId> owner);
  void free_slots(const Name& name, Group& group, RunId run);
  void set_stage(std::uint64_t app_id, RunId run, Stage stage);
  void steer_group(const Name& name, Group& group);
  [[nodiscard]] std::vector<RunId> live_runs(std::uint64_t app_id, const Group& group) const;
  static Entry entry_of(const Name& name, const Group& group, std::size_t index);
  void store(const Name& name, const Group& group, std::size_t index) const;

  // Who held a port last. An app that cannot have its port tries again and again, and finding out
  // reads all of /proc.
  struct Holder {
    std::vector<std::uint64_t> sockets;  // inodes
    std::string text;
  };

  Events events_;
  Groups groups_;
  std::set<std::uint64_t> expects_none_;  // apps
  Holder holder_;
  std::map<std::pair<std::uint64_t, RunId>, Stage> stages_;
};

}  // namespace pmx
