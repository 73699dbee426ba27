// One connection to the daemon: typed requests and answers over a blocking socket. Knows nothing
// about starting a daemon (autostart.h).
#pragma once

#include <chrono>
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

  // The same in two steps, for a program that has more to do than to wait: one question at a time.
  // answer() gives nullopt while there is none and throws as call() does; until then fd() is
  // readable when there is something to take in.
  template <class Command>
  void ask(const typename Command::Request& request);
  template <class Command>
  std::optional<typename Command::Response> answer(const OnProgress& on_progress = {});

  // After Error(unavailable): waits for the end of the daemon at the other end, if it is dying. A
  // process closes its sockets one by one: until then its socket may still take a connection, and
  // drop it. `limit` in milliseconds.
  void await_end_of_daemon(int limit);

  // Answers must come within `limit` from now on, else call throws Error(timeout).
  void limit_waiting(std::chrono::milliseconds limit);

  // For poll(2): readable when answer() or log_news() has something to do.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  struct LogNews {
    std::optional<protocol::Logs::Response> files;  // the newest set, if it has changed
    protocol::Logs::Events events;
  };
  // After call<Logs> with `follow`: what has arrived, a bounded part of it. Never waits. Throws
  // Error(unavailable) at the end of the connection, after what had come before.
  LogNews log_news();
  // After call<List> with `follow`: whether its answer may be out of date. Never waits. Throws as
  // above.
  bool list_has_changed();

 private:
  explicit Client(UniqueFd fd) : fd_(std::move(fd)), buffer_(protocol::kMaxResponseBytes) {}

  void send(const std::string& line);
  // False: nothing there at the moment (only without `wait`).
  bool receive(bool wait);
  template <class Command>
  std::optional<typename Command::Response> receive_answer(bool wait,
                                                           const OnProgress& on_progress);

  UniqueFd fd_;
  protocol::LineBuffer buffer_;
  std::int64_t last_id_ = 0;
};

}  // namespace pmx::cli
