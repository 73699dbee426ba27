// NotifyReader: the NotifyWatches of real sockets and pipes.
#pragma once

#include <asio/io_context.hpp>

#include "daemon/ports/notify_watch.h"

namespace pmx {

class NotifyReader : public NotifyWatches {
 public:
  explicit NotifyReader(asio::io_context& io) : io_(io) {}

  std::unique_ptr<NotifyWatch> watch(UniqueFd notify, pid_t pid,
                                     std::function<void(const Notification&)> on_said) override;

 private:
  asio::io_context& io_;
};

// A datagram socket with a name that nobody else has, and that name as NOTIFY_SOCKET wants it.
// Throws std::system_error.
struct NotifySocket {
  UniqueFd fd;
  std::string name;
};
NotifySocket open_notify_socket();

}  // namespace pmx
