#include "daemon/os/timerfd_wall_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace pmx {
namespace {

int make_timer() {
  const int fd = ::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "timerfd_create");
  return fd;
}

}  // namespace

TimerfdWallTimer::TimerfdWallTimer(asio::io_context& io, std::function<void()> on_time)
    : on_time_(std::move(on_time)), timer_(io, make_timer()) {}

void TimerfdWallTimer::arm(std::chrono::sys_seconds at) {
  itimerspec spec{};
  spec.it_value.tv_sec = at.time_since_epoch().count();
  const int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  if (::timerfd_settime(timer_.native_handle(), flags, &spec, nullptr) != 0)
    throw std::system_error(errno, std::generic_category(), "timerfd_settime");
  wait();
}

void TimerfdWallTimer::wait() {
  if (std::exchange(waiting_, true)) return;
  timer_.async_wait(asio::posix::stream_descriptor::wait_read,
                    [this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
                      if (error || alive.expired()) return;
                      waiting_ = false;
                      std::uint64_t expirations = 0;
                      // ECANCELED: the clock was set. EAGAIN: armed anew meanwhile.
                      const bool nothing =
                          ::read(timer_.native_handle(), &expirations, sizeof expirations) < 0 &&
                          errno != ECANCELED;
                      if (nothing) {
                        wait();
                        return;
                      }
                      const auto on_time = on_time_;
                      on_time();
                    });
}

}  // namespace pmx
