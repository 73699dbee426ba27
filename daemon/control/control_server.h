// ControlServer: the control socket. Accepts clients of our own user (and root, and a group), gives
// each a Session, bounds their number.
#pragma once

#include <sys/types.h>

#include <asio/local/stream_protocol.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "common/base/unique_fd.h"
#include "daemon/control/context.h"
#include "daemon/control/session.h"
#include "daemon/runtime/task_group.h"

namespace pmx {

class ControlServer {
 public:
  // At this many an idle client is closed for a new one; if none is idle the new one is told
  // "busy".
  static constexpr std::size_t kMaxSessions = 256;

  // `listener`: a listening, non-blocking socket. `group`: whose members are served, too.
  ControlServer(asio::io_context& io, UniqueFd listener, ControlContext& context,
                std::optional<gid_t> group = std::nullopt);

  void start();
  // Another socket from now on (the file of the first one is gone); sessions go on.
  void replace_listener(UniqueFd listener);
  // Accepts no more and ends every session; join() afterwards.
  void stop();
  awaitable<void> join() { return tasks_.join(); }

 private:
  using Socket = asio::local::stream_protocol::socket;

  using Acceptor = asio::local::stream_protocol::acceptor;

  static std::shared_ptr<Acceptor> acceptor_for(asio::io_context& io, UniqueFd listener);
  awaitable<void> accept(std::shared_ptr<Acceptor> acceptor);
  awaitable<void> tell_followers();
  awaitable<void> tell_listeners();
  void admit(Socket socket);
  [[nodiscard]] bool may_command(int client) const;
  bool make_room();
  void shed_one(int listener);

  asio::io_context& io_;
  ControlContext& context_;
  std::optional<gid_t> group_;
  std::shared_ptr<Acceptor> acceptor_;  // shared with the task that accepts, until it has ended
  TaskGroup tasks_;
  std::list<std::weak_ptr<Session>> sessions_;  // oldest first
  UniqueFd
      spare_;  // given up to accept, and so to turn away, a client when descriptors have run out
};

}  // namespace pmx
