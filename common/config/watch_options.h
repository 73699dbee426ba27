// pm2's `watch_options`: settings of the library that watches there. What means something here is
// translated. Internal to common/config.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "common/config/launch.h"

namespace pmx {

// `ignored` adds to ignore_watch, `awaitWriteFinish` is a watch_delay unless there is one; of the
// others a remark says which have no effect. False: `value` is no object, or a member is wrong.
bool set_watch_options(const nlohmann::json& value, LaunchRequest& app);

}  // namespace pmx
