#include "daemon/keeper/link_io.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace pmx::keeper {
namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(sizeof(int) * kMaxMessageFds);

bool is_well_formed(const Message& message, ssize_t size, const msghdr& header) {
  return size == static_cast<ssize_t>(sizeof(Message)) && (header.msg_flags & MSG_TRUNC) == 0 &&
         message.magic == kMagic && message.version == kVersion && message.fd_count <= kMaxFds &&
         message.state_size <= kStateBytes;
}

// Takes all descriptors out of the control data; what does not fit into `fds` is closed.
int take_fds(msghdr& header, int* fds) {
  int count = 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t bytes = part->cmsg_len - CMSG_LEN(0);
    for (std::size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
      if (count < kMaxMessageFds) {
        fds[count++] = fd;
      } else {
        close(fd);
      }
    }
  }
  return count;
}

}  // namespace

Message make_message(Verb verb, std::uint64_t slot) noexcept {
  Message message{};
  message.magic = kMagic;
  message.version = kVersion;
  message.verb = verb;
  message.slot = slot;
  return message;
}

int announced_fds(const Message& message) noexcept {
  const int stored = (message.flags & has_fds) != 0 ? static_cast<int>(message.fd_count) : 0;
  return stored + ((message.flags & has_pidfd) != 0 ? 1 : 0);
}

LinkResult send_message(int socket, const Message& message, const int* fds, int fd_count) noexcept {
  iovec part{const_cast<Message*>(&message), sizeof message};
  alignas(cmsghdr) char control[kControlBytes] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (fd_count > kMaxMessageFds) {
    errno = EINVAL;
    return LinkResult::failed;
  }
  if (fd_count > 0) {
    const std::size_t bytes = sizeof(int) * static_cast<std::size_t>(fd_count);
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(rights), fds, bytes);
  }
  ssize_t sent = -1;
  do {
    sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return LinkResult::done;
  switch (errno) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
    case ETOOMANYREFS:  // too many descriptors on their way: the other end has to take some first
      return LinkResult::would_block;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
      return LinkResult::closed;
    default:
      return LinkResult::failed;
  }
}

LinkResult receive_message(int socket, Message& message, int* fds, int& fd_count) noexcept {
  iovec part{&message, sizeof message};
  alignas(cmsghdr) char control[kControlBytes] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  fd_count = 0;
  ssize_t size = -1;
  do {
    // A peer that died with unread messages shows as one ECONNRESET *before* what it had sent.
    size = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (size < 0 && (errno == EINTR || errno == ECONNRESET));
  if (size < 0) {
    return errno == EAGAIN || errno == ENOMEM ? LinkResult::would_block : LinkResult::failed;
  }
  if (size == 0) return LinkResult::closed;
  fd_count = take_fds(header, fds);
  if (is_well_formed(message, size, header)) return LinkResult::done;
  for (int i = 0; i < fd_count; ++i) close(fds[i]);
  fd_count = 0;
  return LinkResult::malformed;
}

}  // namespace pmx::keeper
