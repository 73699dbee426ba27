#include "daemon/cluster/listen_door.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace pmx {
namespace {

// A caller that connects and says nothing.
constexpr std::chrono::seconds kPatience{2};
constexpr std::chrono::milliseconds kPause{100};
constexpr int kBindYourself = -1;

bool may_ask(int fd) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == ::geteuid() || peer.uid == 0);
}

bool is_valid(const pmx_listen_question& question) {
  return question.magic == PMX_LISTEN_MAGIC && question.version == PMX_LISTEN_VERSION &&
         (question.verb == PMX_LISTEN_BIND || question.verb == PMX_LISTEN_LISTENING) &&
         question.port >= 1 && question.port <= 65535 &&
         std::memchr(question.token, 0, sizeof(question.token)) != nullptr;
}

void reply(int connection, int error, int fd) {
  pmx_listen_answer answer{PMX_LISTEN_MAGIC, error};
  iovec data{&answer, sizeof(answer)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  }
  // A caller that is gone, or does not read, binds its own.
  (void)::sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

struct ListenDoor::Connection {
  Connection(asio::io_context& io, UniqueFd fd) : descriptor(io, fd.release()), timer(io) {}
  asio::posix::stream_descriptor descriptor;
  asio::steady_timer timer;
};

ListenDoor::ListenDoor(asio::io_context& io, UniqueFd socket, ListenerSet& listeners, Events events)
    : io_(io),
      socket_(io, socket.release()),
      listeners_(listeners),
      events_(std::move(events)),
      pause_(io) {}

ListenDoor::~ListenDoor() = default;

void ListenDoor::start() { wait_for_caller(); }

void ListenDoor::wait_for_caller() {
  if (waiting_ || connections_.size() >= kMaxCallers) return;
  waiting_ = true;
  socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [this](const std::error_code& error) {
                       if (error) return;
                       waiting_ = false;
                       accept();
                     });
}

void ListenDoor::accept() {
  while (connections_.size() < kMaxCallers) {
    UniqueFd fd(::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN) break;
      // Out of descriptors: the socket stays readable, so waiting for it would spin.
      pause_.expires_after(kPause);
      pause_.async_wait([this](const std::error_code& error) {
        if (!error) wait_for_caller();
      });
      return;
    }
    if (may_ask(fd.get())) begin(std::move(fd));
  }
  wait_for_caller();
}

void ListenDoor::begin(UniqueFd fd) {
  auto connection = std::make_shared<Connection>(io_, std::move(fd));
  connections_.insert(connection);
  const std::weak_ptr<Connection> weak = connection;
  connection->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                    [this, weak](const std::error_code& error) {
                                      const auto caller = weak.lock();
                                      if (error || !caller) return;
                                      answer(caller);
                                    });
  connection->timer.expires_after(kPatience);
  connection->timer.async_wait([this, weak](const std::error_code& error) {
    const auto caller = weak.lock();
    if (!error && caller) end(caller);
  });
}

void ListenDoor::end(const std::shared_ptr<Connection>& connection) {
  connections_.erase(connection);
  wait_for_caller();
}

void ListenDoor::answer(const std::shared_ptr<Connection>& connection) {
  pmx_listen_question question{};
  const int fd = connection->descriptor.native_handle();
  const ssize_t size = ::recv(fd, &question, sizeof(question), MSG_DONTWAIT);
  if (size == static_cast<ssize_t>(sizeof(question)) && is_valid(question)) {
    const auto caller = events_.who(static_cast<const char*>(question.token));
    if (question.verb == PMX_LISTEN_LISTENING) {
      if (caller) events_.on_listening(*caller);
    } else if (!caller) {
      reply(fd, kBindYourself, -1);
    } else {
      const ListenResult result = shared_socket(listeners_, *caller, question);
      reply(fd, result.error, result.fd);
      if (!result.problem.empty()) events_.on_problem(*caller, result.problem);
    }
  }
  end(connection);
}

}  // namespace pmx
