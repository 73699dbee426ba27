// CgroupSettings: ProcessLimits as files of a cgroup (v2), see the kernel's admin-guide/cgroup-v2.
#pragma once

#include <string>
#include <vector>

#include "common/model/process_limits.h"

namespace pmx::sys {

struct CgroupSetting {
  std::string file;   // "memory.max": its first part is the controller
  std::string value;  // "536870912"

  friend bool operator==(const CgroupSetting&, const CgroupSetting&) = default;
};

// Empty: none is wished. Throws Error(invalid_spec) naming the key and what was expected.
std::vector<CgroupSetting> cgroup_settings(const ProcessLimits& limits);

}  // namespace pmx::sys
