// What the machine and the kernel let pmx do: limits, sysctls, features.
#pragma once

#include <sys/types.h>

#include <string>

#include "cli/doctor/finding.h"

namespace pmx::cli {

struct MachineQuestions {
  std::string root;                          // where /proc/sys is, "" for this system
  std::string limits = "/proc/self/limits";  // of the daemon if one runs: apps inherit them
  std::string cgroup;                        // of the daemon; empty: there is none (v2) in sight
  uid_t user = 0;
  int processes = 0;  // of that user
  int instances = 0;  // in the list
};

Findings check_machine(const MachineQuestions& questions);

}  // namespace pmx::cli
