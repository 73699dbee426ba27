#include "common/model/log_limits.h"

namespace pmx {

std::string_view to_string(LogWhenFull what) noexcept {
  return what == LogWhenFull::drop ? "drop" : "wait";
}

std::optional<LogWhenFull> log_when_full_from(std::string_view text) noexcept {
  for (const LogWhenFull each : {LogWhenFull::wait, LogWhenFull::drop}) {
    if (text == to_string(each)) return each;
  }
  return std::nullopt;
}

}  // namespace pmx
