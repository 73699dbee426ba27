// Daemon: builds every part of pmxd, in the order they need each other, and takes them down again.
#pragma once

#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/config/paths.h"
#include "daemon/os/slot_mirror.h"

namespace pmx {

struct DaemonOptions {
  Paths paths;
  std::string own_directory;  // where pmx, pmxd and pmx-keeper are
  UniqueFd link;              // to the keeper
  UniqueFd ready;             // told "ready" or "error ..."; may be empty
  unsigned long open_files = 0;
};

// Runs until asked to end; returns the exit code (daemon/keeper/wire.h). Throws Error if it cannot
// run in this home.
int run_daemon(DaemonOptions options);

// After the end of both keeper and daemon: starts a keeper that has what a SlotMirror has stored, and
// which starts its daemon as soon as this process has ended. False: it could not.
bool restore_keeper(const DaemonOptions& options, std::vector<NamedFd> stored);

}  // namespace pmx
