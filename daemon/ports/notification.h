// What an app says about itself in one message of sd_notify(3). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/model/app_spec.h"

namespace pmx {

struct Notification {
  static constexpr std::size_t kLongestStatus = 200;  // bytes, then it is cut

  bool ready = false;                 // READY=1
  bool alive = false;                 // WATCHDOG=1
  bool asks_for_restart = false;      // WATCHDOG=trigger
  std::optional<std::string> status;  // STATUS=, in one line; STOPPING=1 and RELOADING=1 as words
  std::optional<Millis> extend;       // EXTEND_TIMEOUT_USEC=: it needs so much more, from now
};

// Lines that are not known are skipped, as sd_notify(3) wants.
Notification parse_notification(std::string_view message);

}  // namespace pmx
