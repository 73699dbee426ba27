// How many cores this process may use, and what `instances` means with that many.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pmx {

// Cores the affinity mask allows, limited by the CPU quota of the process' cgroup (v1 or v2) and of
// the cgroups above it, rounded up; at least 1. `root` stands before /proc and /sys.
int usable_cores(const std::string& root = "");

// The quota alone; nullopt: none.
std::optional<int> cgroup_core_limit(const std::string& root);

// "4"; "max" and "0": `cores`; "-1": `cores` - 1, at least 1. Throws Error(invalid_spec) for any
// other text, also for more than AppSpec::kMaxInstances.
int resolve_instances(std::string_view text, int cores);

}  // namespace pmx
