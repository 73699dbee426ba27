// Fixed instances for the golden tests.
#pragma once

#include <vector>

#include "common/model/instance_status.h"

namespace pmx::golden {

inline constexpr WallMillis kNow = 1'800'000'000'000;

inline InstanceStatus instance(int id, const std::string& name, InstanceState state) {
  InstanceStatus one;
  one.pm_id = id;
  one.name = name;
  one.name_space = "default";
  one.user = "root";
  one.state = state;
  one.ever_spawned = true;
  one.created_at = kNow - 90'000;
  if (state == InstanceState::online) {
    one.pid = 4000 + id;
    one.started_at = kNow - 60'000;
    one.cpu_percent = 12.54;
    one.memory_bytes = 53'897'625;
  }
  return one;
}

inline std::vector<InstanceStatus> instances() {
  std::vector<InstanceStatus> all = {instance(0, "api", InstanceState::online),
                                     instance(1, "worker", InstanceState::waiting_restart),
                                     instance(2, "größe-日本", InstanceState::errored)};
  all[0].exec_mode = ExecMode::cluster;
  all[0].version = "1.2.3";
  all[1].restarts = 7;
  all[2].ever_spawned = false;
  return all;
}

}  // namespace pmx::golden
