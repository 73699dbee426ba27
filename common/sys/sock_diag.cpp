#include "common/sys/sock_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <system_error>

#include "common/base/unique_fd.h"

namespace pmx::sys {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void ask(int fd, int family, int local_port, std::uint32_t states) {
  struct {
    nlmsghdr header{};
    inet_diag_req_v2 request{};
  } message;
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message.request.sdiag_family = static_cast<std::uint8_t>(family);
  message.request.sdiag_protocol = IPPROTO_TCP;
  message.request.idiag_states = states;
  message.request.id.idiag_sport = htons(static_cast<std::uint16_t>(local_port));
  if (::send(fd, &message, sizeof(message), 0) < 0) fail("ask for sockets");
}

constexpr std::size_t aligned(std::size_t size) {
  return (size + NLMSG_ALIGNTO - 1) & ~(std::size_t{NLMSG_ALIGNTO} - 1);
}
constexpr std::size_t kHead = aligned(sizeof(nlmsghdr));

template <class T>
T read_at(std::string_view data, std::size_t offset) {
  T value{};
  if (offset + sizeof(T) <= data.size()) std::memcpy(&value, data.data() + offset, sizeof(T));
  return value;
}

// False: the list is complete.
bool take(std::string_view data, std::vector<TcpSocket>& sockets) {
  while (data.size() >= kHead) {
    const auto header = read_at<nlmsghdr>(data, 0);
    if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_len < kHead) return false;
    if (header.nlmsg_type == NLMSG_ERROR) {
      errno = -read_at<nlmsgerr>(data, kHead).error;
      fail("list sockets");
    }
    const auto socket = read_at<inet_diag_msg>(data, kHead);
    sockets.push_back({socket.idiag_inode, socket.idiag_rqueue});
    data.remove_prefix(std::min(data.size(), aligned(header.nlmsg_len)));
  }
  return true;
}

}  // namespace

std::vector<TcpSocket> tcp_sockets(int local_port, std::uint32_t states) {
  const UniqueFd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!fd) fail("open a socket of NETLINK_SOCK_DIAG");
  std::vector<TcpSocket> sockets;
  for (const int family : {AF_INET, AF_INET6}) {
    ask(fd.get(), family, local_port, states);
    std::array<char, 32768> buffer{};
    for (bool more = true; more;) {
      const ssize_t size = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) fail("list sockets");
      more = take({buffer.data(), static_cast<std::size_t>(size)}, sockets);
    }
  }
  return sockets;
}

}  // namespace pmx::sys
