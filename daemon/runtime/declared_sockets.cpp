#include "daemon/runtime/declared_sockets.h"

#include <fmt/format.h>

#include <cstring>

#include "common/model/declared_socket.h"

namespace pmx {
namespace {

constexpr int kFirstDescriptor = 3;  // SD_LISTEN_FDS_START

ListenRequest request_of(const DeclaredSocket& socket, Balance balance) {
  ListenRequest request;
  request.kind = socket.kind == DeclaredSocket::Kind::tcp   ? ListenRequest::Kind::tcp
                 : socket.kind == DeclaredSocket::Kind::udp ? ListenRequest::Kind::udp
                                                            : ListenRequest::Kind::unix_stream;
  request.address = socket.address;
  request.port = socket.port;
  request.family = socket.ipv6 ? 6 : 4;
  request.backlog = socket.backlog;
  request.mode = socket.mode;
  request.balance = balance;
  return request;
}

}  // namespace

std::optional<std::string> add_declared_sockets(ListenerSet& listeners, std::uint64_t app_id,
                                                const AppSpec& spec, SpawnRequest& request) {
  std::string names;
  std::string nginx;
  int einhorn = 0;
  for (const std::string& text : spec.listen) {
    const DeclaredSocket socket = parse_declared_socket(text);
    const ListenRequest wish = request_of(socket, spec.balance);
    const ListenResult result = listeners.acquire(app_id, request.run, listener_key(wish, 0), wish);
    if (result.error != 0) {
      return fmt::format("listen {}: {} ({}){}{}", text, std::strerror(result.error),
                         ::strerrorname_np(result.error), result.problem.empty() ? "" : "; ",
                         result.problem);
    }
    const int number = kFirstDescriptor + static_cast<int>(request.sockets.size());
    request.sockets.push_back(result.fd);
    names += (names.empty() ? "" : ":") + (socket.name.empty() ? spec.name : socket.name);
    if (socket.announce == DeclaredSocket::Announce::nginx) nginx += fmt::format("{};", number);
    if (socket.announce == DeclaredSocket::Announce::einhorn) {
      request.env[fmt::format("EINHORN_FD_{}", einhorn++)] = std::to_string(number);
    }
  }
  request.env["LISTEN_FDS"] = std::to_string(request.sockets.size());
  request.env["LISTEN_FDNAMES"] = names;
  if (!nginx.empty()) request.env["NGINX"] = nginx;
  if (einhorn > 0) request.env["EINHORN_FD_COUNT"] = std::to_string(einhorn);
  request.env["NODE_CHANNEL_FD"] =
      std::to_string(kFirstDescriptor + static_cast<int>(request.sockets.size()));
  return std::nullopt;
}

}  // namespace pmx
