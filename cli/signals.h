// Signals that end a command in good order.
#pragma once

#include "common/base/unique_fd.h"

namespace pmx::cli {

// From now on SIGINT, SIGTERM and SIGHUP make this descriptor readable and do nothing else. Throws
// std::system_error.
UniqueFd take_end_signals();

}  // namespace pmx::cli
