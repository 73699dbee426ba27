#include "common/model/restart_mode.h"

namespace pmx {

std::string_view to_string(RestartMode mode) noexcept {
  switch (mode) {
    case RestartMode::always:
      return "always";
    case RestartMode::on_failure:
      return "on-failure";
    case RestartMode::on_abnormal:
      return "on-abnormal";
    case RestartMode::never:
      break;
  }
  return "never";
}

std::optional<RestartMode> restart_mode_from(std::string_view text) noexcept {
  for (const RestartMode each : {RestartMode::always, RestartMode::on_failure,
                                 RestartMode::on_abnormal, RestartMode::never}) {
    if (text == to_string(each)) return each;
  }
  return std::nullopt;
}

}  // namespace pmx
