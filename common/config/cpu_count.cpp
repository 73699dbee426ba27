#include "common/config/cpu_count.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <sstream>
#include <system_error>
#include <vector>

#include "common/base/error.h"
#include "common/config/words.h"
#include "common/model/app_spec.h"
#include "common/sys/file.h"

namespace pmx {
namespace {

// Nothing or unreadable is the same here: no limit that could be obeyed.
std::string content_of(const std::string& path) {
  try {
    return sys::read_file(path).value_or("");
  } catch (const std::system_error&) {
    return {};
  }
}

std::optional<int> cores_of(double quota, double period) {
  if (quota <= 0 || period <= 0) return std::nullopt;
  const double cores = std::ceil(quota / period);
  return static_cast<int>(std::clamp(cores, 1.0, 1e6));
}

// cpu.max: "max 100000" or "150000 100000".
std::optional<int> limit_v2(const std::string& directory) {
  std::istringstream content(content_of(directory + "/cpu.max"));
  double quota = 0;
  double period = 0;
  if (!(content >> quota >> period)) return std::nullopt;
  return cores_of(quota, period);
}

// cpu.cfs_quota_us: -1 is no limit.
std::optional<int> limit_v1(const std::string& directory) {
  std::istringstream quota_text(content_of(directory + "/cpu.cfs_quota_us"));
  std::istringstream period_text(content_of(directory + "/cpu.cfs_period_us"));
  double quota = 0;
  double period = 0;
  if (!(quota_text >> quota) || !(period_text >> period)) return std::nullopt;
  return cores_of(quota, period);
}

void keep_smaller(std::optional<int>& least, std::optional<int> limit) {
  if (limit && (!least || *limit < *least)) least = limit;
}

// The limits of `group` and all groups above it. In a container the path may not exist below the
// mount point; the mount point is then the group itself.
std::optional<int> least_upwards(const std::string& mount, std::string group,
                                 std::optional<int> (*limit)(const std::string&)) {
  std::optional<int> least;
  for (;;) {
    keep_smaller(least, limit(mount + group));
    const std::size_t slash = group.find_last_of('/');
    if (slash == std::string::npos) return least;
    group.erase(slash);
  }
}

bool names_cpu(std::string_view controllers) {
  return fmt::format(",{},", controllers).find(",cpu,") != std::string::npos;
}

int cores_of_affinity() {
  // The kernel refuses a mask that is too small for its number of processors.
  for (std::size_t processors = 1024; processors <= (1U << 20U); processors *= 2) {
    const std::size_t bytes = CPU_ALLOC_SIZE(processors);
    std::vector<unsigned long> mask(bytes / sizeof(unsigned long), 0);
    auto* set = reinterpret_cast<cpu_set_t*>(mask.data());
    if (::sched_getaffinity(0, bytes, set) == 0) return CPU_COUNT_S(bytes, set);
    if (errno != EINVAL) break;
  }
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<int>(online) : 1;
}

}  // namespace

std::optional<int> cgroup_core_limit(const std::string& root) {
  std::optional<int> least;
  std::istringstream groups(content_of(root + "/proc/self/cgroup"));
  std::string line;
  while (std::getline(groups, line)) {  // "<id>:<controllers>:<path>"
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    const std::string base = root + "/sys/fs/cgroup";
    if (controllers.empty()) {
      keep_smaller(least, least_upwards(base, group, limit_v2));
      keep_smaller(least, least_upwards(base + "/unified", group, limit_v2));
    } else if (names_cpu(controllers)) {
      keep_smaller(least, least_upwards(base + "/" + controllers, group, limit_v1));
      keep_smaller(least, least_upwards(base + "/cpu", group, limit_v1));
    }
  }
  return least;
}

int usable_cores(const std::string& root) {
  const int cores = std::max(1, cores_of_affinity());
  return std::min(cores, cgroup_core_limit(root).value_or(cores));
}

int resolve_instances(std::string_view text, int cores) {
  const auto one_per_core = std::clamp(cores, 1, AppSpec::kMaxInstances);
  if (text == "max") return one_per_core;
  const std::optional<int> number = parse_integer(text);
  if (number && *number == 0) return one_per_core;
  if (number && *number < 0 && *number > -AppSpec::kMaxInstances) {
    return std::clamp(cores + *number, 1, AppSpec::kMaxInstances);
  }
  if (number && *number >= 1 && *number <= AppSpec::kMaxInstances) return *number;
  throw Error(ErrorCode::invalid_spec,
              fmt::format("instances: \"{}\" is not possible: expected a number from 1 to {}, "
                          "\"max\" or 0 (one per core), or -1, -2, ... (so many fewer)",
                          text, AppSpec::kMaxInstances));
}

}  // namespace pmx
