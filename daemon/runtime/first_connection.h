// FirstConnection: tells once when somebody connects to one of several sockets that nobody serves.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <vector>

namespace pmx {

class FirstConnection {
 public:
  // Waits on duplicates of `sockets`, so that they may be closed meanwhile; `on_connection` comes
  // from the event loop, never from here, and not after the end of this object. Throws
  // std::system_error.
  FirstConnection(asio::io_context& io, const std::vector<int>& sockets,
                  std::function<void()> on_connection);
  ~FirstConnection();
  FirstConnection(const FirstConnection&) = delete;
  FirstConnection& operator=(const FirstConnection&) = delete;

 private:
  std::vector<asio::posix::stream_descriptor> sockets_;
  std::shared_ptr<std::function<void()>> on_connection_;
};

}  // namespace pmx
