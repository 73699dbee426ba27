#include "daemon/runtime/first_connection.h"

#include <fcntl.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace pmx {

FirstConnection::FirstConnection(asio::io_context& io, const std::vector<int>& sockets,
                                 std::function<void()> on_connection)
    : on_connection_(std::make_shared<std::function<void()>>(std::move(on_connection))) {
  for (const int socket : sockets) {
    const int copy = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) throw std::system_error(errno, std::generic_category(), "F_DUPFD_CLOEXEC");
    sockets_.emplace_back(io, copy);
  }
  for (auto& socket : sockets_) {
    socket.async_wait(asio::posix::stream_descriptor::wait_read,
                      [weak = std::weak_ptr(on_connection_)](const std::error_code& error) {
                        const auto told = weak.lock();
                        if (error || !told || !*told) return;
                        const auto tell = std::exchange(*told, nullptr);
                        tell();
                      });
  }
}

FirstConnection::~FirstConnection() = default;

}  // namespace pmx
