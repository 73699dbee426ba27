// A start that only seems to have worked: a process that ends in its first moment (a missing module, a
// bad setting) has existed, which is all that there is to see of it before.
#pragma once

#include <string>
#include <vector>

#include "common/base/clock.h"
#include "daemon/control/context.h"
#include "daemon/runtime/async.h"

namespace pmx {

WallMillis wall_now();

// Until each of these instances has lived for 200 ms. Those that tell when they are ready, or listen
// on ports that pmx shares, and jobs are not waited for.
awaitable<void> await_first_moment(ControlContext& context, std::vector<int> pm_ids);

// Why an instance that was started after `since` has not been successful; empty: it runs, or has done
// its work.
std::string early_end(const InstanceStatus& instance, WallMillis since);

}  // namespace pmx
