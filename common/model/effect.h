// What bringing an app to other settings does to it.
#pragma once

#include <optional>
#include <string_view>

namespace pmx {

enum class Effect {
  in_place,  // running processes go on
  reload,    // processes are replaced without a gap
  restart,   // the app is stopped and started; what does not run is started
  start,     // there is no such app yet
};
std::string_view to_string(Effect effect) noexcept;  // "in place", and by these names
std::optional<Effect> effect_from(std::string_view) noexcept;

}  // namespace pmx
