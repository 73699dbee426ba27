#include "daemon/control/control_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/steady_timer.hpp>
#include <utility>

#include "common/base/error.h"
#include "common/protocol/envelope.h"
#include "common/sys/unix_socket.h"

namespace pmx {
namespace {

UniqueFd open_spare() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

void turn_away(int fd, const Error& error) {
  const std::string line = protocol::error_line(std::nullopt, error) + "\n";
  // One short line into an empty buffer: it fits, or the client is gone.
  (void)::send(fd, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

ControlServer::ControlServer(asio::io_context& io, UniqueFd listener, ControlContext& context,
                             std::optional<gid_t> group)
    : io_(io),
      context_(context),
      group_(group),
      acceptor_(acceptor_for(io, std::move(listener))),
      tasks_(io,
             [&context](const std::string& task, const std::string& what) {
               context.log(fmt::format("{}: {}", task, what));
             }),
      spare_(open_spare()) {}

std::shared_ptr<ControlServer::Acceptor> ControlServer::acceptor_for(asio::io_context& io,
                                                                     UniqueFd listener) {
  return std::make_shared<Acceptor>(io, asio::local::stream_protocol(), listener.release());
}

void ControlServer::replace_listener(UniqueFd listener) {
  std::error_code ignored;
  acceptor_->close(ignored);
  acceptor_ = acceptor_for(io_, std::move(listener));
  tasks_.spawn("accept", accept(acceptor_));
}

void ControlServer::start() {
  tasks_.spawn("accept", accept(acceptor_));
  tasks_.spawn("tell followers", tell_followers());
  tasks_.spawn("tell listeners", tell_listeners());
}

awaitable<void> ControlServer::tell_followers() {
  for (;;) {
    co_await context_.supervisor.changed();
    for (const auto& entry : sessions_) {
      if (const auto session = entry.lock()) session->changed();
    }
  }
}

awaitable<void> ControlServer::tell_listeners() {
  for (;;) {
    co_await context_.supervisor.heard();
    for (const auto& entry : sessions_) {
      if (const auto session = entry.lock()) session->heard();
    }
  }
}

void ControlServer::stop() {
  std::error_code ignored;
  acceptor_->close(ignored);
  for (const auto& entry : sessions_) {
    if (const auto session = entry.lock()) session->close();
  }
  tasks_.cancel();
}

awaitable<void> ControlServer::accept(std::shared_ptr<Acceptor> acceptor) {
  while (acceptor->is_open()) {
    Socket socket(io_);
    const auto [error] = co_await acceptor->async_accept(socket, no_throw);
    if (error == asio::error::operation_aborted) co_return;
    if (error == asio::error::no_descriptors) {
      shed_one(acceptor->native_handle());
      continue;
    }
    if (!error) admit(std::move(socket));
  }
}

void ControlServer::shed_one(int listener) {
  spare_.reset();
  const UniqueFd client(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (client)
    turn_away(client.get(),
              Error(ErrorCode::busy, "the daemon is out of descriptors", "try again in a moment"));
  spare_ = open_spare();
}

bool ControlServer::may_command(int client) const {
  const uid_t peer = sys::peer_uid(client);
  return peer == ::geteuid() || peer == 0 || (group_ && sys::peer_has_group(client, *group_));
}

void ControlServer::admit(Socket socket) {
  if (!may_command(socket.native_handle())) {
    turn_away(socket.native_handle(),
              Error(ErrorCode::permission, "this daemon belongs to another user"));
    return;
  }
  if (!make_room()) {
    turn_away(socket.native_handle(),
              Error(ErrorCode::busy, fmt::format("{} clients are connected and busy", kMaxSessions),
                    "try again in a moment"));
    return;
  }
  const auto session = std::make_shared<Session>(io_, std::move(socket), context_);
  sessions_.push_back(session);
  tasks_.spawn("session", session->read());
  tasks_.spawn("session writer", session->write());
  tasks_.spawn("log follower", session->follow());
}

bool ControlServer::make_room() {
  sessions_.remove_if([](const std::weak_ptr<Session>& entry) { return entry.expired(); });
  if (sessions_.size() < kMaxSessions) return true;
  for (auto entry = sessions_.begin(); entry != sessions_.end(); ++entry) {
    const auto session = entry->lock();
    if (session && !session->idle()) continue;
    if (session) session->close();
    sessions_.erase(entry);
    return true;
  }
  return false;
}

}  // namespace pmx
