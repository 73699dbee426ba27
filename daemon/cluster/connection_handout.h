// ConnectionHandout: the daemon accepts connections where no run does, and passes them to workers
// over their channels. That is all of policy `rr`, and with `slots` the rescue of connections in the
// slot of a worker that has ended. (Node itself knows only the former, and not as here: a
// connection stays ours until the worker has said that it took it, else the next one gets it.)
// Programs that are not Node take no connections from us: what waits in their abandoned slots is
// for the next run, and is ended, so that its client tries again, when none has been expected for
// kPatience.
// Connections are accepted only while a worker can take one; the others wait in the kernel, where
// the daemon's death does not hurt them. Control thread only.
#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/base/unique_fd.h"
#include "daemon/ports/listener_set.h"

namespace pmx {

// One worker's channel, as the handout sees it.
class ConnectionTaker {
 public:
  virtual ~ConnectionTaker() = default;
  // Sends the connection (borrowed). The number comes back in answered(); nullopt: cannot be sent
  // now.
  virtual std::optional<std::int64_t> pass_connection(const std::string& key, int fd) = 0;
};

class ConnectionHandout {
 public:
  static constexpr std::size_t kMaxInFlight = 8;  // per worker, not yet acknowledged
  // A program that counts as online from its start takes a moment until it binds.
  static constexpr std::chrono::milliseconds kPatience{3000};

  ConnectionHandout(asio::io_context& io, ListenerSet& listeners);
  ~ConnectionHandout();
  ConnectionHandout(const ConnectionHandout&) = delete;
  ConnectionHandout& operator=(const ConnectionHandout&) = delete;

  // The set of unattended sockets of a key, or the runs that get connections, may have changed.
  void attendance_changed(std::uint64_t app_id, const std::string& key);

  // `worker` serves `key` from now on, until leave().
  void join(std::uint64_t app_id, const std::string& key, RunId run, ConnectionTaker& worker);
  void leave(std::uint64_t app_id, const std::string& key, ConnectionTaker& worker);
  // The channel is gone or asked to close: what it has not acknowledged goes to others.
  void leave(ConnectionTaker& worker);

  // The worker's answer to connection `number`. Not taken, or not even arrived because it is at its
  // descriptor limit: another one gets it, and this one gets a pause.
  void answered(std::uint64_t app_id, ConnectionTaker& worker, std::int64_t number, bool taken);

 private:
  struct Port;
  using Name = std::pair<std::uint64_t, std::string>;

  Port& port(const Name& name);
  void tidy(const Name& name);

  asio::io_context& io_;
  ListenerSet& listeners_;
  std::map<Name, std::shared_ptr<Port>> ports_;
};

}  // namespace pmx
