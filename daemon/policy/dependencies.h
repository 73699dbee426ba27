// Dependencies: whether an app may start, and in which order apps are started and stopped. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/model/dependency.h"
#include "common/model/exit_status.h"
#include "common/model/health_check.h"
#include "common/model/instance_status.h"

namespace pmx {

// What is known of one instance of the app that another one waits for.
struct InstanceProgress {
  InstanceState state = InstanceState::stopped;
  bool has_process = false;
  bool by_operator = false;  // stopped by the operator: nobody waits for that
  Health health = Health::unknown;
  std::optional<ExitStatus> last_exit = {};
  bool ended_well = false;  // of last_exit, by the app's own settings
  std::string reason = {};
};

struct StartPermit {
  enum class Verdict { may_start, wait, never };
  Verdict verdict = Verdict::may_start;
  std::string why = {};  // "waiting for db to be ready"; "migrate has failed: exit code 1"
};

StartPermit permit(const Dependency& dependency, const std::vector<InstanceProgress>& instances);

// Names of apps and of those they depend on.
using DependencyGraph = std::map<std::string, std::vector<std::string>>;

// "a", "b", "a": a depends on b, and b on a. Empty: there is no cycle.
std::vector<std::string> find_cycle(const DependencyGraph& graph);

// The names in an order in which each comes behind what it depends on; else as they are. There is
// no cycle.
std::vector<std::string> start_order(const DependencyGraph& graph,
                                     const std::vector<std::string>& names);

}  // namespace pmx
