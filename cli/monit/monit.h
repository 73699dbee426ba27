// The program of `pmx monit`: brings the model, the terminal, the daemon and the logs together, in
// one loop that waits for all of them.
#pragma once

#include <string>

#include "common/base/clock.h"

namespace pmx::cli::monit {

struct Options {
  std::string socket_path;  // of the daemon
  std::string order;        // of the list
  bool colours = true;
  WallMillis (*now)() = nullptr;  // tells the time
};

// Until the user quits or a signal ends it. Throws Error if there is no usable terminal.
void run(const Options& options);

}  // namespace pmx::cli::monit
