// NotifyWatches: hears what processes say about themselves: messages of sd_notify(3) on a socket, or
// a line on a pipe.
#pragma once

#include <functional>
#include <memory>

#include "common/base/unique_fd.h"
#include "daemon/ports/notification.h"
#include "daemon/ports/spawner.h"

namespace pmx {

class NotifyWatch {
 public:
  virtual ~NotifyWatch() = default;
};

class NotifyWatches {
 public:
  virtual ~NotifyWatches() = default;
  // `notify` is that of the Process. `on_said` comes in turns of the event loop of its own and may
  // destroy the watch.
  virtual std::unique_ptr<NotifyWatch> watch(UniqueFd notify, pid_t pid,
                                             std::function<void(const Notification&)> on_said) = 0;
};

}  // namespace pmx
