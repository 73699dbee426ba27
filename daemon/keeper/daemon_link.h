// The keeper's end of the socket to the daemon: what is still to be said, and when.
#pragma once

#include "daemon/keeper/link_io.h"
#include "daemon/keeper/slot_table.h"

namespace pmx::keeper {

// Owns the socket. Says nothing before the daemon's first `list`. What the socket cannot take now
// is kept as marks in the table and a cursor.
class DaemonLink {
 public:
  // `slots` outlives the link; `event` is the epoll tag of the socket.
  DaemonLink(SlotTable& slots, std::uint64_t event) noexcept : slots_(slots), event_(event) {}

  void use_epoll(int epoll_fd) noexcept { epoll_fd_ = epoll_fd; }
  // Takes over `socket`.
  void open(int socket) noexcept;
  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return socket_ >= 0; }

  [[nodiscard]] LinkResult receive(Message& message, int* fds, int& fd_count) noexcept {
    return receive_message(socket_, message, fds, fd_count);
  }

  // Makes the answer to `list` outstanding, from the beginning.
  void begin_list() noexcept;
  // Makes the news of the exit recorded in that slot outstanding.
  void post_exit(int index) noexcept;
  // Sends what is outstanding, the rest as soon as there is room.
  void flush() noexcept;

 private:
  [[nodiscard]] bool send_list() noexcept;
  [[nodiscard]] bool send_exits() noexcept;
  [[nodiscard]] bool send(Message& message, const int* fds, int fd_count) noexcept;
  void wait_for_room(bool is_wanted) noexcept;

  static constexpr int kNoList = -1;

  SlotTable& slots_;
  std::uint64_t event_;
  int epoll_fd_ = -1;
  int socket_ = -1;
  int list_cursor_ = kNoList;
  bool has_listed_ = false;
  bool has_unsent_ = false;
  bool waits_for_room_ = false;
};

}  // namespace pmx::keeper
