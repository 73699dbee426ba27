#include "cli/exit_code.h"

#include <fmt/format.h>

#include <array>
#include <iterator>

namespace pmx::cli {
namespace {

constexpr auto kRows = std::to_array<ExitCodeMeaning>(
    {{kDone, "done, or there was nothing to do"},
     {kFailed, "failed: an app could not be started, has ended at once, a file is wrong, ..."},
     {kBadUsage, "wrong options or arguments"},
     {3, "not found: no such app, file or process"},
     {4, "no permission"},
     {5, "timeout"},
     {6, "not ready: an app did not become ready in time"},
     {7, "no daemon: it does not run, or does not answer"},
     {8, "busy: a limit is reached, or another command works on the same app"},
     {9, "it runs already"},
     {10, "pmx and its daemon are of versions that do not fit: pmx update"}});

}  // namespace

std::span<const ExitCodeMeaning> exit_codes() noexcept { return kRows; }

int exit_code_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_request:
      return kBadUsage;
    case ErrorCode::not_found:
      return 3;
    case ErrorCode::permission:
      return 4;
    case ErrorCode::timeout:
      return 5;
    case ErrorCode::not_ready:
      return 6;
    case ErrorCode::unavailable:
      return 7;
    case ErrorCode::busy:
      return 8;
    case ErrorCode::already_running:
      return 9;
    case ErrorCode::unknown_method:
    case ErrorCode::version_mismatch:
      return 10;
    case ErrorCode::invalid_spec:
    case ErrorCode::nothing_to_do:
    case ErrorCode::spawn_failed:
    case ErrorCode::internal:
      break;
  }
  return kFailed;
}

std::string exit_codes_text() {
  std::string text;
  for (const ExitCodeMeaning& row : kRows)
    fmt::format_to(std::back_inserter(text), "  {:>2}  {}\n", row.code, row.meaning);
  return text;
}

}  // namespace pmx::cli
