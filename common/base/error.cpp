#include "common/base/error.h"

#include <array>

namespace pmx {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
};

constexpr std::array kRows{
    Row{ErrorCode::invalid_request, "invalid_request"},
    Row{ErrorCode::unknown_method, "unknown_method"},
    Row{ErrorCode::version_mismatch, "version_mismatch"},
    Row{ErrorCode::invalid_spec, "invalid_spec"},
    Row{ErrorCode::not_found, "not_found"},
    Row{ErrorCode::already_running, "already_running"},
    Row{ErrorCode::nothing_to_do, "nothing_to_do"},
    Row{ErrorCode::spawn_failed, "spawn_failed"},
    Row{ErrorCode::not_ready, "not_ready"},
    Row{ErrorCode::timeout, "timeout"},
    Row{ErrorCode::busy, "busy"},
    Row{ErrorCode::permission, "permission"},
    Row{ErrorCode::unavailable, "unavailable"},
    Row{ErrorCode::internal, "internal"},
};

}  // namespace

std::string_view to_string(ErrorCode code) noexcept {
  for (const Row& row : kRows) {
    if (row.code == code) return row.name;
  }
  return "internal";
}

ErrorCode error_code_from(std::string_view name) noexcept {
  for (const Row& row : kRows) {
    if (row.name == name) return row.code;
  }
  return ErrorCode::internal;
}

}  // namespace pmx
