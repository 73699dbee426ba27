#include "daemon/os/home_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

namespace pmx {
namespace {

constexpr std::uint32_t kEvents =
    IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kConcernsAll =
    IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED | IN_Q_OVERFLOW;
constexpr std::chrono::milliseconds kRest{100};
constexpr std::chrono::milliseconds kLater{5000};
constexpr std::size_t kEventBuffer = 4096;

}  // namespace

HomeWatch::HomeWatch(asio::io_context& io, std::string home, std::set<std::string> names,
                     std::function<void()> on_loss)
    : home_(std::move(home)),
      names_(std::move(names)),
      on_loss_(std::move(on_loss)),
      inotify_(io),
      rest_(io) {
  const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return;
  inotify_.assign(fd);
  wait();
}

std::string HomeWatch::watch() {
  if (!inotify_.is_open()) return "no inotify instance is left (fs.inotify.max_user_instances)";
  const int watch = ::inotify_add_watch(inotify_.native_handle(), home_.c_str(), kEvents);
  if (watch < 0) return std::strerror(errno);
  // A home that was moved away still has its watch.
  if (watch_ >= 0 && watch_ != watch) ::inotify_rm_watch(inotify_.native_handle(), watch_);
  watch_ = watch;
  return {};
}

void HomeWatch::again_later() { after(kLater); }

void HomeWatch::stop() {
  std::error_code ignored;
  inotify_.close(ignored);
  rest_.cancel();
}

void HomeWatch::wait() {
  inotify_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [this](const std::error_code& error) {
                        if (error) return;
                        if (read_events()) after(kRest);
                        wait();
                      });
}

// Whether one of them matters.
bool HomeWatch::read_events() {
  bool matters = false;
  alignas(inotify_event) std::array<char, kEventBuffer> buffer;
  for (;;) {
    const ssize_t size = ::read(inotify_.native_handle(), buffer.data(), buffer.size());
    if (size <= 0) return matters;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      inotify_event event{};
      std::memcpy(&event, &buffer[at], sizeof event);
      const char* name = event.len > 0 ? &buffer[at + sizeof event] : "";
      at += sizeof event + event.len;
      if (event.wd >= 0 && event.wd != watch_) continue;  // of a directory no longer watched
      matters = matters || (event.mask & kConcernsAll) != 0 || names_.contains(name);
      if ((event.mask & IN_IGNORED) != 0) watch_ = -1;
    }
  }
}

void HomeWatch::after(std::chrono::milliseconds delay) {
  rest_.expires_after(delay);
  rest_.async_wait([this](const std::error_code& error) {
    if (!error) on_loss_();
  });
}

}  // namespace pmx
