// Which ends of a run are followed by a restart.
#pragma once

#include <optional>
#include <string_view>

namespace pmx {

enum class RestartMode {
  always,
  on_failure,   // not after success
  on_abnormal,  // not after any exit code: only after a signal or an end that nobody saw
  never,        // pm2's autorestart: false
};

std::string_view to_string(RestartMode mode) noexcept;  // "always", "on-failure", ...
std::optional<RestartMode> restart_mode_from(std::string_view) noexcept;

}  // namespace pmx
