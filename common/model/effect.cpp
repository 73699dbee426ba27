#include "common/model/effect.h"

#include <initializer_list>

namespace pmx {

std::string_view to_string(Effect effect) noexcept {
  switch (effect) {
    case Effect::in_place:
      return "in place";
    case Effect::reload:
      return "reload";
    case Effect::restart:
      return "restart";
    case Effect::start:
      break;
  }
  return "start";
}

std::optional<Effect> effect_from(std::string_view text) noexcept {
  for (const Effect each : {Effect::in_place, Effect::reload, Effect::restart, Effect::start}) {
    if (text == to_string(each)) return each;
  }
  return std::nullopt;
}

}  // namespace pmx
