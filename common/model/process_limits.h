// ProcessLimits: what an app's processes may use and who they are, as the user has written it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pmx {

// As written. Empty or absent: as the daemon's own, which are those of the shell that started it.
struct ProcessLimits {
  // setrlimit(2): "nofile": "65536", "core": "0:unlimited" (soft:hard), "memlock": "64M".
  std::map<std::string, std::string, std::less<>> rlimits;
  std::optional<int> nice;           // -20 (first) to 19
  std::string io_priority;           // "idle", "best-effort", "best-effort:0" to 7, "realtime:..."
  std::string cpu_affinity;          // "0-3,6"
  std::optional<int> oom_score_adj;  // -1000 (never killed) to 1000
  std::string umask;                 // octal, "027"
  bool no_new_privileges = false;    // sudo and the like do not work in the app
  std::string uid;                   // names or numbers; for a daemon of root
  std::string gid;                   // default: the group of uid
  std::vector<std::string> groups;   // supplementary; default: those of uid

  // Of the app's cgroup (v2), for its whole process tree; refused where the controller is not there.
  std::string cpu_max;            // of one core: "50%", "200%"; or in cores: "1.5"
  std::uint64_t memory_max = 0;   // bytes; beyond it the kernel ends a process; 0: none
  std::uint64_t memory_high = 0;  // bytes; beyond it the kernel takes memory back; 0: none
  std::optional<int> pids_max;    // processes and threads
  std::optional<int> io_weight;   // 1 to 10000, of 100

  friend bool operator==(const ProcessLimits&, const ProcessLimits&) = default;
};

}  // namespace pmx
