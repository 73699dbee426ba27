#include "daemon/os/listening_socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>

namespace pmx {
namespace {

using Made = OpenedSocket;

constexpr int kDefaultBacklog = 511;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
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

// Bound only.
Made bind_ip(const ListenRequest& request, const std::string& text, int family) {
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
  return {std::move(fd), 0};
}

Made bind_ip(const ListenRequest& request) {
  if (request.address) return bind_ip(request, *request.address, request.family);
  Made dual = bind_ip(request, "::", 6);
  if (dual.error == 0 || request.ipv6_only) return dual;
  return bind_ip(request, "0.0.0.0", 4);
}

int backlog_of(const ListenRequest& request) {
  return request.backlog > 0 ? request.backlog
                             : kDefaultBacklog;  // listen(0) would make a queue of one
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

bool set_permissions(const std::string& path, const ListenRequest& request) {
  if (request.mode) return ::chmod(path.c_str(), *request.mode) == 0;
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
  if (::listen(fd.get(), backlog_of(request)) != 0 ||
      (!is_abstract && !set_permissions(path, request))) {
    error = errno;
    if (!is_abstract) ::unlink(path.c_str());
    return failed(error);
  }
  return {std::move(fd), 0};
}

std::optional<Address> local_address(int fd) {
  Address address;
  address.size = sizeof(address.storage);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0)
    return std::nullopt;
  return address;
}

int option(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : 0;
}

std::string unix_path(const Address& address) {
  sockaddr_un named{};
  std::memcpy(&named, &address.storage, std::min<std::size_t>(address.size, sizeof(named)));
  constexpr std::size_t kHead = offsetof(sockaddr_un, sun_path);
  if (address.size <= kHead || named.sun_path[0] == '\0') return {};
  return {named.sun_path,
          ::strnlen(named.sun_path, std::min<std::size_t>(address.size, sizeof(named)) - kHead)};
}

}  // namespace

OpenedSocket open_listening_socket(const ListenRequest& request) {
  if (request.kind == ListenRequest::Kind::unix_stream) return open_unix(request);
  Made made = bind_ip(request);
  if (made.error != 0 || request.kind == ListenRequest::Kind::udp) return made;
  // Only listen() finds out about a port that another socket with SO_REUSEADDR holds.
  if (::listen(made.fd.get(), backlog_of(request)) != 0) return failed(errno);
  return made;
}

OpenedSocket claim_port(const ListenRequest& request) { return bind_ip(request); }

OpenedSocket open_group_member(int socket, int backlog) {
  const auto address = local_address(socket);
  if (!address) return failed(errno);
  const int family = address->storage.ss_family;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return failed(errno);
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, true);
  set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, true);
  if (family == AF_INET6)
    set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, option(socket, IPPROTO_IPV6, IPV6_V6ONLY) != 0);
  if (::bind(fd.get(), address->get(), address->size) != 0) return failed(errno);
  if (::listen(fd.get(), backlog > 0 ? backlog : kDefaultBacklog) != 0) return failed(errno);
  return {std::move(fd), 0};
}

std::string describe_socket(int fd) {
  const auto address = local_address(fd);
  if (!address) return {};
  if (address->storage.ss_family == AF_UNIX) return "unix " + unix_path(*address);
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getnameinfo(address->get(), address->size, host.data(), host.size(), port.data(),
                    port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return {};
  return fmt::format(address->storage.ss_family == AF_INET6 ? fmt::runtime("{} [{}]:{}")
                                                            : fmt::runtime("{} {}:{}"),
                     option(fd, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM ? "udp" : "tcp", host.data(),
                     port.data());
}

int tcp_port_of(int fd) {
  const auto address = local_address(fd);
  if (!address || option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM) return 0;
  if (address->storage.ss_family == AF_INET)
    return ntohs(reinterpret_cast<const sockaddr_in&>(address->storage).sin_port);
  if (address->storage.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address->storage).sin6_port);
  return 0;
}

int accept_queue_length(int fd) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  // Of a listening socket the kernel reports the queue here (tcp_get_info).
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return static_cast<int>(info.tcpi_unacked);
}

SocketPlace place_of_socket(int fd) {
  const auto address = local_address(fd);
  if (!address || address->storage.ss_family != AF_UNIX) return {};
  SocketPlace place;
  place.path = unix_path(*address);
  struct stat file {};
  if (place.path.empty() || ::lstat(place.path.c_str(), &file) != 0) return {};
  place.device = file.st_dev;
  place.inode = file.st_ino;
  return place;
}

void remove_socket_file(const SocketPlace& place) {
  struct stat file {};
  if (!place.path.empty() && ::lstat(place.path.c_str(), &file) == 0 &&
      file.st_dev == place.device && file.st_ino == place.inode) {
    ::unlink(place.path.c_str());
  }
}

}  // namespace pmx
