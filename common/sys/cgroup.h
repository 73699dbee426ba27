// Control groups (v2) as boxes that processes cannot leave by forking: see cgroups(7) and the
// kernel's admin-guide/cgroup-v2. No controller is used.
#pragma once

#include <string>

namespace pmx::sys {

// Directory of the cgroup that this process is in. Empty: there is no cgroup v2 here, or it is out
// of sight (a container).
std::string own_cgroup();

// The same of another process, by its number ("self": this one).
std::string cgroup_of(const std::string& process);

// Names of cgroups that runs of apps are put into begin with this.
inline constexpr char kRunCgroupPrefix[] = "pmx-run-";

// Goes to the cgroup above, if this one is of a run: what outlives an app must not be killed with
// it. Without effect where that is not permitted.
void leave_run_cgroup();

}  // namespace pmx::sys
