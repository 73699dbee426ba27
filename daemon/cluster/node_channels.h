// NodeChannels: WorkerChannels over Node's IPC protocol.
#pragma once

#include <asio/io_context.hpp>

#include "daemon/cluster/connection_handout.h"
#include "daemon/ports/listener_set.h"
#include "daemon/ports/worker_channel.h"

namespace pmx {

class NodeChannels : public WorkerChannels {
 public:
  NodeChannels(asio::io_context& io, ListenerSet& listeners)
      : io_(io), listeners_(listeners), handout_(io, listeners) {}

  // To be told when the attendance of a listening socket changes.
  [[nodiscard]] ConnectionHandout& handout() noexcept { return handout_; }

  std::unique_ptr<WorkerChannel> open(UniqueFd fd, const WorkerIdentity& identity,
                                      std::string_view note, ChannelEvents events) override;

 private:
  asio::io_context& io_;
  ListenerSet& listeners_;
  ConnectionHandout handout_;
};

}  // namespace pmx
