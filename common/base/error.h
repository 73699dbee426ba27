// The one exception type for failures that a user is told about. Expected outcomes are values, not
// errors.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace pmx {

// Closed and wire-stable: names are part of the protocol (error.data.kind), never reused.
enum class ErrorCode {
  invalid_request,  // not JSON-RPC, a missing or mistyped parameter
  unknown_method,
  version_mismatch,  // client and daemon are too far apart
  invalid_spec,      // an app description that cannot be run
  not_found,
  already_running,
  nothing_to_do,  // e.g. scale to the present size
  spawn_failed,
  not_ready,  // did not become ready in time
  timeout,
  busy,  // limits reached, or another operation is in progress
  permission,
  unavailable,  // no daemon, or it is shutting down
  internal,
};

std::string_view to_string(ErrorCode code) noexcept;
// Unknown names (a newer peer) become `internal`.
ErrorCode error_code_from(std::string_view name) noexcept;

class Error : public std::runtime_error {
 public:
  // `message` says what and why; `hint` (may be empty) what to do.
  Error(ErrorCode code, const std::string& message, std::string hint = {})
      : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  [[nodiscard]] const std::string& hint() const noexcept { return hint_; }

 private:
  ErrorCode code_;
  std::string hint_;
};

}  // namespace pmx
