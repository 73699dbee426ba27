#include "daemon/cluster/node_channel.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace pmx {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10U;
constexpr int kReadsPerTurn = 8;  // then other descriptors get their turn

union Control {
  char bytes[CMSG_SPACE(sizeof(int))];
  cmsghdr align;
};

// As sendmsg: bytes taken, or -1 and errno. `fd` goes with the first byte.
ssize_t send_some(int socket, std::string_view text, int fd) {
  // sendmsg only reads, its interface just does not say so.
  iovec bytes{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  Control control{};
  if (fd >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  }
  ssize_t size = 0;
  do {
    size = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (size < 0 && errno == EINTR);
  return size;
}

// As recvmsg: bytes read, or -1 and errno. `passed` is what came along; a second descriptor, which
// no Node sends, is closed.
ssize_t receive_some(int socket, std::array<char, kReadBytes>& buffer,
                     NodeChannel::Passed& passed) {
  iovec bytes{buffer.data(), buffer.size()};
  Control control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof(control.bytes);
  ssize_t size = 0;
  do {
    size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return size;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      UniqueFd owned(number);
      if (!passed.fd) passed.fd = std::move(owned);
    }
  }
  passed.lost = !passed.fd && (message.msg_flags & MSG_CTRUNC) != 0;
  return size;
}

bool would_block(int error) { return error == EAGAIN; }  // Linux: also EWOULDBLOCK

}  // namespace

struct NodeChannel::State {
  Handlers handlers;
  bool open = true;
};

NodeChannel::NodeChannel(asio::io_context& io, UniqueFd socket, Handlers handlers)
    : descriptor_(io, socket.get()),
      state_(std::make_shared<State>(State{std::move(handlers), true})) {
  static_cast<void>(socket.release());  // descriptor_ owns it from here
  wait_readable();
}

NodeChannel::~NodeChannel() { state_->open = false; }

bool NodeChannel::closed() const noexcept { return !state_->open; }

void NodeChannel::wait_readable() {
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [this, state = state_](const asio::error_code& error) {
                           // A finished wait may still be queued when the channel goes: `state`,
                           // not `error`, tells.
                           if (!state->open) return;
                           if (error) return close("cannot watch it: " + error.message());
                           receive();
                         });
}

void NodeChannel::wait_writable() {
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_write,
                         [this, state = state_](const asio::error_code& error) {
                           if (!state->open) return;
                           if (error) return close("cannot watch it: " + error.message());
                           flush();
                         });
}

void NodeChannel::receive() {
  const auto state = state_;
  std::array<char, kReadBytes> buffer;
  for (int turn = 0; turn < kReadsPerTurn; ++turn) {
    Passed passed;
    const ssize_t size = receive_some(descriptor_.native_handle(), buffer, passed);
    if (size < 0 && would_block(errno)) break;
    if (size < 0) return close("reading failed: " + std::generic_category().message(errno));
    if (size == 0) return close("the worker closed it");
    dispatch(std::string_view(buffer.data(), static_cast<std::size_t>(size)), std::move(passed));
    if (!state->open) return;
  }
  wait_readable();
}

void NodeChannel::dispatch(std::string_view bytes, Passed received) {
  const auto state = state_;
  if (skipping_) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    skipping_ = false;
    Passed passed = std::exchange(partial_passed_, {});
    if (state->handlers.on_too_long) state->handlers.on_too_long(std::move(passed));
    if (!state->open) return;
  }
  // The lines live in a local: a handler may destroy the channel while it looks at one.
  const std::size_t searched = partial_.size();
  std::string data = std::exchange(partial_, {});
  data.append(bytes);
  Passed carried = std::exchange(partial_passed_, {});

  // The kernel ends a read after the message that carries a descriptor and Node sends that with one
  // whole frame: so it belongs to the last line that begins in this read, which may be finished by
  // a later one.
  std::size_t start = 0;
  for (std::size_t end = data.find('\n', searched); end != std::string::npos;
       end = data.find('\n', start)) {
    Passed passed;
    if (start == 0 && carried.any()) {
      passed = std::move(carried);
    } else if (end + 1 == data.size()) {
      passed = std::move(received);
    }
    state->handlers.on_frame(std::string_view(data).substr(start, end - start), std::move(passed));
    if (!state->open) return;
    start = end + 1;
  }
  if (start == data.size()) return;
  if (received.any()) {
    partial_passed_ = std::move(received);
  } else if (start == 0) {
    partial_passed_ = std::move(carried);
  }
  skipping_ = data.size() - start > kMaxLine;
  if (!skipping_) partial_ = start == 0 ? std::move(data) : data.substr(start);
}

bool NodeChannel::send(std::string_view line, int fd) {
  const bool fits =
      queue_.size() < kMaxQueuedFrames && line.size() < kMaxQueuedBytes - queued_bytes_;
  if (!state_->open || peer_gone_ || line.empty() || !fits) {
    ++refused_;
    return false;
  }
  Outgoing frame{std::string(line) + '\n', 0, UniqueFd()};
  if (queue_.empty()) {
    const ssize_t size = send_some(descriptor_.native_handle(), frame.text, fd);
    if (size < 0 && !would_block(errno)) {
      ++refused_;
      return false;
    }
    if (size > 0) frame.sent = static_cast<std::size_t>(size);
    if (frame.sent == frame.text.size()) return true;
  }
  if (fd >= 0 && frame.sent == 0) {
    frame.fd.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!frame.fd) {
      ++refused_;
      return false;
    }
  }
  queued_bytes_ += frame.text.size();
  queue_.push_back(std::move(frame));
  if (queue_.size() == 1) wait_writable();
  return true;
}

void NodeChannel::flush() {
  while (!queue_.empty()) {
    Outgoing& frame = queue_.front();
    const std::string_view rest = std::string_view(frame.text).substr(frame.sent);
    const ssize_t size = send_some(descriptor_.native_handle(), rest, frame.fd.get());
    if (size < 0 && would_block(errno)) return wait_writable();
    if (size < 0 && (errno == EPIPE || errno == ECONNRESET)) {
      peer_gone_ = true;
      refused_ += queue_.size();
      queue_.clear();
      return;
    }
    if (size < 0) return close("writing failed: " + std::generic_category().message(errno));
    frame.fd.reset();  // went with the first byte
    frame.sent += static_cast<std::size_t>(size);
    if (frame.sent < frame.text.size()) continue;
    queued_bytes_ -= frame.text.size();
    queue_.pop_front();
  }
}

void NodeChannel::close(const std::string& reason) {
  const auto state = state_;
  state->open = false;
  asio::error_code ignored;
  descriptor_.close(ignored);
  refused_ += queue_.size();
  queue_.clear();
  partial_.clear();
  partial_passed_ = {};
  state->handlers.on_closed(reason);  // may destroy *this
}

}  // namespace pmx
