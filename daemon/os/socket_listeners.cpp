#include "daemon/os/socket_listeners.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>

namespace pmx {
namespace {

constexpr int kDefaultBacklog = 511;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// A new socket, or the errno that stopped it.
struct Made {
  UniqueFd fd;
  int error = 0;
};

Made failed(int error) { return {UniqueFd(), error}; }

void set_option(int fd, int level, int name, bool on) {
  const int value = on ? 1 : 0;
  ::setsockopt(fd, level, name, &value, sizeof(value));
}

// Numeric addresses only (with a scope if need be): never asks a name server.
std::optional<Address> ip_address(const std::string& text, int family, int port) {
  addrinfo hints{};
  hints.ai_family = family == 6 ? AF_INET6 : AF_INET;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(text.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    return std::nullopt;
  Address address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.size = found->ai_addrlen;
  ::freeaddrinfo(found);
  return address;
}

Made open_ip(const ListenRequest& request, const std::string& text, int family) {
  if (request.port < 0 || request.port > 65535) return failed(EINVAL);
  const auto address = ip_address(text, family, request.port);
  if (!address) return failed(EINVAL);
  const bool udp = request.kind == ListenRequest::Kind::udp;
  const int type = (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  UniqueFd fd(::socket(family == 6 ? AF_INET6 : AF_INET, type, 0));
  if (!fd) return failed(errno);
  if (!udp || request.reuse_address) set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, true);
  if (family == 6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, request.ipv6_only);
  if (::bind(fd.get(), address->get(), address->size) != 0) return failed(errno);
  // Only listen() finds out about a port that another socket with SO_REUSEADDR holds.
  if (!udp && ::listen(fd.get(), request.backlog) != 0) return failed(errno);
  return {std::move(fd), 0};
}

Made open_any_ip(const ListenRequest& request) {
  Made dual = open_ip(request, "::", 6);
  if (dual.error == 0 || request.ipv6_only) return dual;
  return open_ip(request, "0.0.0.0", 4);
}

std::optional<Address> unix_address(const std::string& path) {
  Address address;
  sockaddr_un named{};
  if (path.empty() || path.size() >= sizeof(named.sun_path)) return std::nullopt;
  named.sun_family = AF_UNIX;
  std::memcpy(named.sun_path, path.data(), path.size());
  const bool is_abstract = path.front() == '\0';
  address.size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1));
  std::memcpy(&address.storage, &named, sizeof(named));
  return address;
}

// A socket file that nobody listens on any more. A full queue (EAGAIN) is somebody.
bool is_stale(const std::string& path, const Address& address) {
  struct stat file {};
  if (::lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return probe && ::connect(probe.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED;
}

bool widen_permissions(const std::string& path, const ListenRequest& request) {
  mode_t wanted = 0;
  if (request.readable_all) wanted |= S_IRUSR | S_IRGRP | S_IROTH;
  if (request.writable_all) wanted |= S_IWUSR | S_IWGRP | S_IWOTH;
  if (wanted == 0) return true;
  struct stat file {};
  return ::stat(path.c_str(), &file) == 0 &&
         ::chmod(path.c_str(), (file.st_mode & 0777U) | wanted) == 0;
}

Made open_unix(const ListenRequest& request) {
  const std::string path = request.address.value_or("");
  const auto address = unix_address(path);
  if (!address) return failed(EINVAL);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failed(errno);
  int error = ::bind(fd.get(), address->get(), address->size) == 0 ? 0 : errno;
  if (error == EADDRINUSE && is_stale(path, *address) && ::unlink(path.c_str()) == 0) {
    error = ::bind(fd.get(), address->get(), address->size) == 0 ? 0 : errno;
  }
  if (error != 0) return failed(error);
  const bool is_abstract = path.front() == '\0';
  if (::listen(fd.get(), request.backlog) != 0 ||
      (!is_abstract && !widen_permissions(path, request))) {
    error = errno;
    if (!is_abstract) ::unlink(path.c_str());
    return failed(error);
  }
  return {std::move(fd), 0};
}

Made open_socket(ListenRequest request) {
  if (request.backlog <= 0)
    request.backlog = kDefaultBacklog;  // listen(0) would make a queue of one
  if (request.kind == ListenRequest::Kind::unix_stream) return open_unix(request);
  if (!request.address) return open_any_ip(request);
  return open_ip(request, *request.address, request.family);
}

}  // namespace

SocketListeners::Place SocketListeners::place_of(int fd) {
  sockaddr_un named{};
  socklen_t size = sizeof(named);
  // The kernel cuts a longer address (IPv6) and reports its whole size.
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&named), &size) != 0 ||
      named.sun_family != AF_UNIX)
    return {};
  constexpr std::size_t kHead = offsetof(sockaddr_un, sun_path);
  if (size <= kHead || named.sun_path[0] == '\0') return {};
  Place place;
  place.path.assign(named.sun_path,
                    ::strnlen(named.sun_path, std::min<std::size_t>(size, sizeof(named)) - kHead));
  struct stat file {};
  if (::lstat(place.path.c_str(), &file) != 0) return {};
  place.device = file.st_dev;
  place.inode = file.st_ino;
  return place;
}

ListenResult SocketListeners::acquire(std::uint64_t app_id, RunId, const std::string& key,
                                      const ListenRequest& request) {
  const Name name(app_id, key);
  if (const auto found = sockets_.find(name); found != sockets_.end())
    return {0, found->second.fd.get()};
  const auto first = sockets_.lower_bound(Name(app_id, ""));
  const auto last = std::find_if(first, sockets_.end(),
                                 [&](const auto& socket) { return socket.first.first != app_id; });
  if (std::distance(first, last) >= static_cast<std::ptrdiff_t>(kMaxPerApp)) return {EMFILE, -1};

  Made made = open_socket(request);
  if (made.error != 0) return {made.error, -1};
  Place place = place_of(made.fd.get());
  const auto [added, fresh] =
      sockets_.emplace(name, Socket{std::move(made.fd), {}, std::move(place)});
  const Socket& socket = added->second;
  if (events_.on_stored)
    events_.on_stored({app_id, added->first.second, socket.data, socket.fd.get()});
  return {0, socket.fd.get()};
}

std::string SocketListeners::data(std::uint64_t app_id, const std::string& key) const {
  const auto found = sockets_.find(Name(app_id, key));
  return found != sockets_.end() ? found->second.data : std::string();
}

void SocketListeners::set_data(std::uint64_t app_id, const std::string& key,
                               const std::string& json) {
  const auto found = sockets_.find(Name(app_id, key));
  if (found == sockets_.end()) return;
  found->second.data = json;
  if (events_.on_stored)
    events_.on_stored({app_id, found->first.second, found->second.data, found->second.fd.get()});
}

void SocketListeners::close_app(std::uint64_t app_id) {
  for (auto at = sockets_.lower_bound(Name(app_id, ""));
       at != sockets_.end() && at->first.first == app_id;) {
    auto node = sockets_.extract(at++);
    const Place& place = node.mapped().place;
    struct stat file {};
    if (!place.path.empty() && ::lstat(place.path.c_str(), &file) == 0 &&
        file.st_dev == place.device && file.st_ino == place.inode) {
      ::unlink(place.path.c_str());
    }
    if (events_.on_removed) events_.on_removed(app_id, node.key().second);
  }
}

void SocketListeners::restore(std::uint64_t app_id, const std::string& key, const std::string& data,
                              UniqueFd fd) {
  Place place = place_of(fd.get());
  sockets_.insert_or_assign(Name(app_id, key), Socket{std::move(fd), data, std::move(place)});
}

}  // namespace pmx
