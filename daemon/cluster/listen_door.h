// ListenDoor: where programs that are not Node get the app's listening sockets. Answers
// libpmx-listen.so (daemon/shim), which asks in their place. One question per connection.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/base/unique_fd.h"
#include "daemon/cluster/bind_rules.h"
#include "daemon/ports/listener_set.h"

namespace pmx {

class ListenDoor {
 public:
  static constexpr std::size_t kMaxCallers = 256;  // at a time; others wait in the kernel

  using Caller = BindCaller;
  struct Events {
    // Whose token (PMX_TOKEN) it is. nullopt: no such run, or it has nothing to do with this door.
    std::function<std::optional<Caller>(const std::string& token)> who;
    std::function<void(const Caller&)> on_listening;
    // Why it gets no socket, for people.
    std::function<void(const Caller&, const std::string& text)> on_problem;
  };

  // `socket`: listening, SOCK_SEQPACKET. Answers from start() on.
  ListenDoor(asio::io_context& io, UniqueFd socket, ListenerSet& listeners, Events events);
  ~ListenDoor();
  ListenDoor(const ListenDoor&) = delete;
  ListenDoor& operator=(const ListenDoor&) = delete;

  void start();

 private:
  struct Connection;

  void wait_for_caller();
  void accept();
  void begin(UniqueFd fd);
  void answer(const std::shared_ptr<Connection>& connection);
  void end(const std::shared_ptr<Connection>& connection);

  asio::io_context& io_;
  asio::posix::stream_descriptor socket_;
  ListenerSet& listeners_;
  Events events_;
  std::set<std::shared_ptr<Connection>> connections_;
  bool waiting_ = false;
  asio::steady_timer pause_;
};

}  // namespace pmx
