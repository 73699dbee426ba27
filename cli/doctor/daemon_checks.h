// The daemon that runs, and its apps: versions, files that were replaced or removed under them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/doctor/finding.h"
#include "common/model/instance_status.h"

namespace pmx::cli {

struct DaemonQuestions {
  std::string home;
  std::string own_directory;  // where this pmx and what it would start are
  bool has_keeper = false;
  bool answers = false;  // the rest counts only then
  std::string version;
  int daemon_pid = 0;
  int keeper_pid = 0;
};
Findings check_daemon(const DaemonQuestions& questions);

// What they would need to be started again. `instances`: with their details.
Findings check_apps(const std::vector<InstanceStatus>& instances);

}  // namespace pmx::cli
