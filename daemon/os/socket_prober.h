// SocketProber: the Prober of real sockets and commands.
#pragma once

#include <asio/io_context.hpp>

#include "daemon/ports/listener_set.h"
#include "daemon/ports/prober.h"

namespace pmx {

class SocketProber : public Prober {
 public:
  SocketProber(asio::io_context& io, ListenerSet& listeners) : io_(io), listeners_(listeners) {}

  std::unique_ptr<PendingProbe> ask(ProbeQuestion question,
                                    std::function<void(const std::string&)> done) override;

 private:
  asio::io_context& io_;
  ListenerSet& listeners_;
};

}  // namespace pmx
