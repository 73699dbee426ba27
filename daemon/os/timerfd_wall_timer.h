// TimerfdWallTimer: the WallTimer of timerfd_create(2), with TFD_TIMER_CANCEL_ON_SET.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>

#include "daemon/ports/wall_timer.h"

namespace pmx {

class TimerfdWallTimer : public WallTimer {
 public:
  // Throws std::system_error.
  TimerfdWallTimer(asio::io_context& io, std::function<void()> on_time);

  void arm(std::chrono::sys_seconds at) override;

 private:
  void wait();

  std::function<void()> on_time_;
  asio::posix::stream_descriptor timer_;
  bool waiting_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmx
