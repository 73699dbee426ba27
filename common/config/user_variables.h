// The variables of an app that runs as another user.
#pragma once

#include <string_view>

#include "common/model/app_spec.h"

namespace pmx {

// The origin of a variable that pmx has set.
inline constexpr std::string_view kOfPmx = "pmx";

// Sets what login(1) would set for the app's user, if that is another one than ours, but for what the
// app sets itself; what was set for a former user goes. Throws Error(invalid_spec) if the limits name
// what does not exist.
void set_user_variables(AppSpec& spec);

}  // namespace pmx
