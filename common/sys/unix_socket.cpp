#include "common/sys/unix_socket.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

namespace pmx::sys {
namespace {

[[noreturn]] void fail(const char* operation, const std::string& path) {
  throw std::system_error(errno, std::generic_category(), fmt::format("{} {}", operation, path));
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() > kMaxSocketPath) {
    errno = ENAMETOOLONG;
    fail("socket path", path);
  }
  std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), path.size() + 1);
  return address;
}

// The C interface of sockets takes any address through this pointer type.
const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

UniqueFd listen_unix(const std::string& path, int backlog, int type, std::optional<gid_t> group) {
  const sockaddr_un address = address_of(path);
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) fail("socket for", path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("remove stale", path);
  // The mode must be right from the first moment: Linux makes the file with the socket's own. A
  // umask would be every thread's.
  if (::fchmod(fd.get(), 0600) != 0) fail("chmod socket for", path);
  if (::bind(fd.get(), generic(address), sizeof address) != 0) fail("bind", path);
  // The group first: the mode must not let in that of the process meanwhile.
  if (group && ::lchown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) fail("chgrp", path);
  if (group && ::chmod(path.c_str(), 0660) != 0) fail("chmod", path);
  if (::listen(fd.get(), backlog) != 0) fail("listen", path);
  return fd;
}

UniqueFd connect_unix(const std::string& path, int type) {
  const sockaddr_un address = address_of(path);
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd) fail("socket for", path);
  int result = 0;
  do {
    result = ::connect(fd.get(), generic(address), sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0) fail("connect", path);
  return fd;
}

namespace {

ucred peer_credentials(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    throw std::system_error(errno, std::generic_category(), "getsockopt SO_PEERCRED");
  }
  return credentials;
}

}  // namespace

uid_t peer_uid(int fd) { return peer_credentials(fd).uid; }

bool peer_has_group(int fd, gid_t group) {
  if (peer_credentials(fd).gid == group) return true;
  std::vector<gid_t> groups(64);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int got = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    groups.resize(size / sizeof(gid_t));
    if (got == 0) break;
    if (errno != ERANGE) return false;
  }
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

pid_t peer_pid(int fd) { return peer_credentials(fd).pid; }

}  // namespace pmx::sys
