// `pmx start ... --attach`: the output of what has just been started, until a signal comes.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/context.h"

namespace pmx::cli {

class AttachedLogs {
 public:
  // Before the start: remembers what is there.
  explicit AttachedLogs(Context& context);

  // Shows what the instances that have been started since have printed since, and goes on until SIGINT,
  // SIGTERM or SIGHUP.
  void follow();

 private:
  Context& context_;
  std::map<int, std::pair<WallMillis, int>> runs_;  // when it was started, and how often, by id
  std::map<std::string, off_t> sizes_;              // of log files, by path
};

}  // namespace pmx::cli
