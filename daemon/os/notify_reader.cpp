#include "daemon/os/notify_reader.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace pmx {
namespace {

constexpr std::size_t kLongestMessage = 4096;
// In one turn of the event loop, for others to have theirs.
constexpr int kMessagesPerTurn = 16;

struct Source : std::enable_shared_from_this<Source> {
  Source(asio::io_context& io, UniqueFd fd, bool pipe, pid_t main,
         std::function<void(const Notification&)> handler)
      : descriptor(io, fd.release()), is_pipe(pipe), pid(main), on_said(std::move(handler)) {}

  asio::posix::stream_descriptor descriptor;
  bool is_pipe;
  pid_t pid;
  std::function<void(const Notification&)> on_said;  // empty: nobody listens any more

  void wait() {
    descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const std::error_code& error) {
                            if (!error) self->read();
                          });
  }

  void read() {
    std::array<char, kLongestMessage> buffer{};
    for (int i = 0; i < kMessagesPerTurn && on_said; ++i) {
      const ssize_t size = is_pipe
                               ? ::read(descriptor.native_handle(), buffer.data(), buffer.size())
                               : receive(buffer.data(), buffer.size());
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (size <= 0 && is_pipe) return;  // nobody is left who could write
      if (size < 0) return;
      const std::string_view text(buffer.data(), static_cast<std::size_t>(size));
      Notification said;
      if (!is_pipe) {
        said = parse_notification(text);
      } else if (text.find('\n') != std::string_view::npos) {
        said.ready = true;
      }
      const auto tell = on_said;
      tell(said);
    }
    if (on_said) wait();
  }

  // -1 with EINTR: a message of somebody who has no business here.
  ssize_t receive(char* out, std::size_t room) {
    iovec data{out, room};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size =
        ::recvmsg(descriptor.native_handle(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) return size;
    ucred sender{};
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS)
        std::memcpy(&sender, CMSG_DATA(header), sizeof(sender));
    }
    if (sender.pid != 0 && may_speak(sender.uid)) return size;
    errno = EINTR;
    return -1;
  }

  // The name is no secret: anybody on the machine can send to it.
  [[nodiscard]] bool may_speak(uid_t uid) const {
    if (uid == 0 || uid == ::geteuid()) return true;
    struct stat info {};
    return ::stat(fmt::format("/proc/{}", pid).c_str(), &info) == 0 && info.st_uid == uid;
  }
};

class SourceWatch : public NotifyWatch {
 public:
  explicit SourceWatch(std::shared_ptr<Source> source) : source_(std::move(source)) {}
  SourceWatch(const SourceWatch&) = delete;
  SourceWatch& operator=(const SourceWatch&) = delete;
  ~SourceWatch() override {
    source_->on_said = nullptr;
    std::error_code ignored;
    source_->descriptor.close(ignored);
  }

 private:
  std::shared_ptr<Source> source_;
};

}  // namespace

std::unique_ptr<NotifyWatch> NotifyReader::watch(UniqueFd notify, pid_t pid,
                                                 std::function<void(const Notification&)> on_said) {
  struct stat info {};
  const bool is_pipe = ::fstat(notify.get(), &info) == 0 && S_ISFIFO(info.st_mode);
  auto source = std::make_shared<Source>(io_, std::move(notify), is_pipe, pid, std::move(on_said));
  source->wait();
  return std::make_unique<SourceWatch>(std::move(source));
}

NotifySocket open_notify_socket() {
  const auto fail = [](const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
  };
  NotifySocket made;
  made.fd.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made.fd) fail("socket for sd_notify");
  const int on = 1;
  if (::setsockopt(made.fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0)
    fail("SO_PASSCRED");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // Without a name: the kernel gives an abstract one that is free, see unix(7).
  if (::bind(made.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(sa_family_t)) != 0)
    fail("bind socket for sd_notify");
  socklen_t size = sizeof(address);
  if (::getsockname(made.fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    fail("getsockname");
  constexpr std::size_t kBeforeName = offsetof(sockaddr_un, sun_path) + 1;  // and a zero byte
  made.name = "@" + std::string(address.sun_path + 1, size - kBeforeName);
  return made;
}

}  // namespace pmx
