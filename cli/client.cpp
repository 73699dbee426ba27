#include "cli/client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <type_traits>

#include "common/protocol/envelope.h"
#include "common/sys/pidfd.h"
#include "common/sys/unix_socket.h"

namespace pmx::cli {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10U;
constexpr int kReadsAtOnce = 64;  // then others get their turn

Error connection_lost() {
  return {ErrorCode::unavailable, "the daemon closed the connection",
          "see pmx.log in the pmx home (PMX_HOME, or ~/.pmx)"};
}

}  // namespace

std::optional<Client> Client::connect(const std::string& socket_path) {
  try {
    return Client(sys::connect_unix(socket_path));
  } catch (const std::system_error& error) {
    const int code = error.code().value();
    if (code == ENOENT || code == ECONNREFUSED) return std::nullopt;
    if (code == ENAMETOOLONG) {
      throw Error(ErrorCode::unavailable,
                  fmt::format("the socket path {} has {} bytes, the system allows {}", socket_path,
                              socket_path.size(), sys::kMaxSocketPath),
                  "choose a shorter PMX_HOME");
    }
    const bool denied = code == EACCES || code == EPERM;
    throw Error(denied ? ErrorCode::permission : ErrorCode::unavailable,
                fmt::format("cannot reach the daemon: {}", error.what()),
                denied ? "it belongs to another user; check PMX_HOME" : "");
  }
}

void Client::limit_waiting(std::chrono::milliseconds limit) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(limit);
  const timeval time{
      .tv_sec = seconds.count(),
      .tv_usec = std::chrono::microseconds(limit - seconds).count(),
  };
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
}

void Client::await_end_of_daemon(int limit) {
  const UniqueFd daemon = sys::pidfd_open(sys::peer_pid(fd_.get()));
  if (!daemon) return;
  pollfd ended{.fd = daemon.get(), .events = POLLIN, .revents = 0};
  while (::poll(&ended, 1, limit) < 0 && errno == EINTR) {
  }
}

void Client::send(const std::string& line) {
  if (line.size() > protocol::kMaxRequestBytes) {
    throw Error(ErrorCode::invalid_request,
                fmt::format("the request has {} bytes, the limit is {}", line.size(),
                            protocol::kMaxRequestBytes),
                "start fewer apps at once, or with a smaller environment");
  }
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t sent = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EINTR) {
      // The daemon may have said why before it closed: the caller reads on.
      return;
    }
  }
}

bool Client::receive(bool wait) {
  std::array<char, kReadBytes> bytes;  // not initialised: clearing it would cost at every read
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), wait ? 0 : MSG_DONTWAIT);
    if (got > 0) {
      if (!buffer_.append({bytes.data(), static_cast<std::size_t>(got)})) {
        throw Error(ErrorCode::unavailable, "the daemon's answer is too large");
      }
      return true;
    }
    if (got == 0) throw connection_lost();
    if (errno == EINTR) continue;
    if (errno == EAGAIN && wait) {
      throw Error(ErrorCode::timeout, "the daemon does not answer");
    }
    if (errno == EAGAIN) return false;
    throw connection_lost();
  }
}

template <class Command>
void Client::ask(const typename Command::Request& request) {
  send(protocol::request_line(++last_id_, Command::method, protocol::Json(request)) + '\n');
}

template <class Command>
std::optional<typename Command::Response> Client::receive_answer(bool wait,
                                                                 const OnProgress& on_progress) {
  do {
    while (const std::optional<std::string> line = buffer_.next()) {
      protocol::Json payload;
      const protocol::Incoming incoming = protocol::parse_incoming(*line, payload);
      if (incoming.kind == protocol::Incoming::Kind::error) throw *incoming.error;
      if (incoming.kind == protocol::Incoming::Kind::result) {
        typename Command::Response response;
        if constexpr (!std::is_empty_v<typename Command::Response>) payload.get_to(response);
        return response;
      }
      if (on_progress && incoming.method == protocol::Progress::method) {
        on_progress(payload.get<protocol::Progress>());
      }
    }
  } while (receive(wait));
  return std::nullopt;
}

template <class Command>
std::optional<typename Command::Response> Client::answer(const OnProgress& on_progress) {
  return receive_answer<Command>(false, on_progress);
}

template <class Command>
typename Command::Response Client::call(const typename Command::Request& request,
                                        const OnProgress& on_progress) {
  ask<Command>(request);
  return *receive_answer<Command>(true, on_progress);
}

Client::LogNews Client::log_news() {
  std::optional<Error> ended;
  try {
    for (int i = 0; i < kReadsAtOnce && receive(false); ++i) {
    }
  } catch (const Error& error) {
    ended = error;
  }
  LogNews news;
  bool has_news = false;
  while (std::optional<std::string> line = buffer_.next()) {
    protocol::Json payload;
    const protocol::Incoming incoming = protocol::parse_incoming(*line, payload);
    if (incoming.kind == protocol::Incoming::Kind::error) throw *incoming.error;
    has_news = true;
    if (incoming.method == protocol::Logs::changed) {
      news.files = payload.get<protocol::Logs::Response>();
    } else if (incoming.method == protocol::Logs::happened) {
      auto more = payload.get<protocol::Logs::Events>();
      news.events.missed += more.missed;
      std::move(more.events.begin(), more.events.end(), std::back_inserter(news.events.events));
    }
  }
  if (ended && !has_news) throw *ended;
  return news;
}

bool Client::list_has_changed() {
  while (receive(false)) {
  }
  bool has_changed = false;
  while (buffer_.next()) has_changed = true;  // nothing else comes without having been asked for
  return has_changed;
}

#define PMX_CALL(Command)                                                                \
  template protocol::Command::Response Client::call<protocol::Command>(                  \
      const protocol::Command::Request&, const OnProgress&);                             \
  template void Client::ask<protocol::Command>(const protocol::Command::Request&);       \
  template std::optional<protocol::Command::Response> Client::answer<protocol::Command>( \
      const OnProgress&);
PMX_CALL(Ping)
PMX_CALL(UnitStore)
PMX_CALL(Start)
PMX_CALL(Apply)
PMX_CALL(Stop)
PMX_CALL(Restart)
PMX_CALL(Reload)
PMX_CALL(Delete)
PMX_CALL(List)
PMX_CALL(Logs)
PMX_CALL(Flush)
PMX_CALL(ReloadLogs)
PMX_CALL(Scale)
PMX_CALL(Reset)
PMX_CALL(Signal)
PMX_CALL(Trigger)
PMX_CALL(Send)
PMX_CALL(Kill)
#undef PMX_CALL

}  // namespace pmx::cli
