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
  request.blocking = true;
  return request;
}

struct Bound {
  DeclaredSocket declared;
  ListenResult result;
  std::string problem;  // empty: `result` is valid
};

Bound bind(ListenerSet& listeners, std::uint64_t app_id, RunId run, const AppSpec& spec,
           const std::string& text) {
  Bound bound;
  bound.declared = parse_declared_socket(text);
  const ListenRequest wish = request_of(bound.declared, spec.balance);
  bound.result = listeners.acquire(app_id, run, listener_key(wish, 0), wish);
  if (bound.result.error != 0) {
    bound.problem = fmt::format("listen {}: {} ({}){}{}", text, std::strerror(bound.result.error),
                                ::strerrorname_np(bound.result.error),
                                bound.result.problem.empty() ? "" : "; ", bound.result.problem);
  }
  return bound;
}

}  // namespace

std::optional<std::string> add_declared_sockets(ListenerSet& listeners, std::uint64_t app_id,
                                                const AppSpec& spec, SpawnRequest& request) {
  std::string names;
  std::string nginx;
  int einhorn = 0;
  for (const std::string& text : spec.listen) {
    const auto [socket, result, problem] = bind(listeners, app_id, request.run, spec, text);
    if (!problem.empty()) return problem;
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

std::variant<std::vector<int>, std::string> open_declared_sockets(ListenerSet& listeners,
                                                                  std::uint64_t app_id,
                                                                  const AppSpec& spec, int pm_id) {
  // Nobody's run: its slots are free again at once, and where nobody is, connections wait in the
  // slot that the first run gets.
  const RunId nobody{pm_id, 0};
  std::vector<int> sockets;
  std::string problem;
  for (const std::string& text : spec.listen) {
    const Bound bound = bind(listeners, app_id, nobody, spec, text);
    if (!bound.problem.empty()) {
      problem = bound.problem;
      break;
    }
    sockets.push_back(bound.result.fd);
  }
  listeners.leave(app_id, nobody);
  if (!problem.empty()) return problem;
  return sockets;
}

}  // namespace pmx
