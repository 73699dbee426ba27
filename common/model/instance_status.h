// What `list`, `jlist` and `show` say about one instance: a snapshot, no behaviour.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/model/app_spec.h"
#include "common/model/custom_report.h"
#include "common/model/exit_status.h"
#include "common/model/health_check.h"

namespace pmx {

// pm2's words (pm2-surface 8.1). `waiting_restart` is "waiting restart" on the wire and on screen.
// `idle` is ours: no process, the first connection starts one (AppSpec::start_on_connection).
enum class InstanceState { stopped, launching, online, stopping, waiting_restart, errored, idle };

std::string_view to_string(InstanceState state) noexcept;
std::optional<InstanceState> instance_state_from(std::string_view text) noexcept;

struct InstanceStatus {
  int pm_id = 0;
  int instance_number = 0;  // NODE_APP_INSTANCE
  std::string name;
  std::string name_space;
  std::string version;
  ExecMode exec_mode = ExecMode::fork;
  std::string user;

  InstanceState state = InstanceState::stopped;
  std::string reason;  // why it is in that state, in words
  int pid = 0;         // 0 unless a process exists
  bool ever_spawned = false;
  WallMillis started_at = 0;  // of the last spawn (pm_uptime); 0 if never
  WallMillis created_at = 0;
  int restarts = 0;  // restart_time
  int unstable_restarts = 0;
  Millis restart_delay{0};  // present back-off step (prev_restart_delay)
  std::optional<ExitStatus> last_exit;

  double cpu_percent = 0;              // of one core, whole process tree
  std::uint64_t memory_bytes = 0;      // resident, whole process tree
  bool watching = false;               // its files
  std::optional<WallMillis> next_run;  // by its schedule or cron_restart
  std::string watch_problem;           // what of them is not watched, and what to do; or empty
  std::string log_problem;             // why its output is not written now; or empty
  std::uint64_t log_dropped = 0;  // bytes of its output that had no room, since the daemon began
  Health health = Health::unknown;
  std::string health_text;  // what the last answer was, if it was not good
  std::string said;         // what it says about itself (STATUS= of sd_notify)

  // Only in detailed answers; AppSpec::env included there.
  struct Detail {
    AppSpec spec;
    std::string out_path;
    std::string error_path;
    std::string pid_path;
    std::string unique_id;             // UUID, one per instance
    std::string tree_by;               // how its processes are known: "cgroup /sys/..."
    std::vector<std::string> sockets;  // of the app: "tcp 127.0.0.1:3000, slots"
    std::string log_path = {};         // of both streams together; or empty
    CustomReport custom = {};
  };
  std::optional<Detail> detail;
};

}  // namespace pmx
