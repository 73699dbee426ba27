#include "cli/foreground/outlet.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace pmx::cli {
namespace {

// What a pipe that is said to be writable takes without blocking.
constexpr std::size_t kPiece = 4096;
constexpr std::size_t kCompactAt = std::size_t{64} << 10U;

ssize_t write_to_outlet(void* outlet, const char* bytes, std::size_t count) {
  static_cast<Outlet*>(outlet)->write({bytes, count});
  return static_cast<ssize_t>(count);
}

}  // namespace

Outlet::Outlet(int fd)
    : fd_(fd),
      file_(::fopencookie(
          this, "w",
          {.read = nullptr, .write = write_to_outlet, .seek = nullptr, .close = nullptr})) {
  if (file_ == nullptr) throw std::system_error(errno, std::generic_category(), "fopencookie");
}

Outlet::~Outlet() { std::fclose(file_); }

bool Outlet::is_writable(int wait) const {
  pollfd writable{.fd = fd_, .events = POLLOUT, .revents = 0};
  return ::poll(&writable, 1, wait) > 0;
}

void Outlet::flush() {
  std::fflush(file_);
  while (!is_empty() && is_writable(0)) {
    const std::size_t size = std::min(kPiece, pending_.size() - begin_);
    const ssize_t written = ::write(fd_, pending_.data() + begin_, size);
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (written < 0) {
      is_broken_ = true;
      begin_ = pending_.size();
    } else {
      begin_ += static_cast<std::size_t>(written);
    }
  }
  if (is_empty() || begin_ >= kCompactAt) {
    pending_.erase(0, begin_);
    begin_ = 0;
  }
}

bool Outlet::finish(int patience) {
  flush();
  while (!is_empty() && is_writable(patience)) flush();
  return is_empty();
}

}  // namespace pmx::cli
