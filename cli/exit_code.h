// What pmx ends with: the one table.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace pmx::cli {

inline constexpr int kDone = 0;    // or there was nothing to do
inline constexpr int kFailed = 1;  // as pm2, of which scripts ask no more than this
inline constexpr int kBadUsage = 2;

struct ExitCodeMeaning {
  int code;
  std::string_view meaning;
};
std::span<const ExitCodeMeaning> exit_codes() noexcept;

int exit_code_of(ErrorCode code) noexcept;
// One line for each code, for `pmx --help`.
std::string exit_codes_text();

}  // namespace pmx::cli
