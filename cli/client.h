// One connection to the daemon: typed requests and answers over a blocking socket. Knows nothing
// about starting a daemon (autostart.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/base/unique_fd.h"
#include "common/protocol/commands.h"
#include "common/protocol/framing.h"

namespace pmx::cli {

class Client {
 public:
  // What may come before an answer.
  using OnProgress = std::function<void(const protocol::Progress&)>;

  // Nullopt: nobody serves `socket_path`. Throws Error: unavailable or permission, naming the path.
  static std::optional<Client> connect(const std::string& socket_path);

  // Waits for the answer as long as it takes; some commands stop apps that need their time. Throws
  // the daemon's Error, or Error(unavailable) when the connection ends first.
  template <class Command>
  typename Command::Response call(const typename Command::Request& request,
                                  const OnProgress& on_progress = {});

  // After Error(unavailable): waits for the end of the daemon at the other end, if it is dying. A
  // process closes its sockets one by one: until then its socket may still take a connection, and
  // drop it. `limit` in milliseconds.
  void await_end_of_daemon(int limit);

  // Answers must come within this many seconds from now on, else call throws Error(timeout).
  void limit_waiting(int seconds);

  // For poll(2): readable when log_news() has something to do.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  struct LogNews {
    std::optional<protocol::Logs::Response> files;  // the newest set, if it has changed
    protocol::Logs::Events events;
  };
  // After call<Logs> with `follow`: what has arrived. Never waits. Throws Error(unavailable) at the
  // end of the connection.
  LogNews log_news();

 private:
  explicit Client(UniqueFd fd) : fd_(std::move(fd)), buffer_(protocol::kMaxResponseBytes) {}

  void send(const std::string& line);
  // False: nothing there at the moment (only without `wait`).
  bool receive(bool wait);
  std::string next_line();

  UniqueFd fd_;
  protocol::LineBuffer buffer_;
  std::int64_t last_id_ = 0;
};

}  // namespace pmx::cli
