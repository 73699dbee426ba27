// AppUpkeep: when an app that runs well is restarted by its own settings: at the times of
// cron_restart, and instance by instance at max_uptime. Decides and keeps time; the supervisor
// restarts.
#pragma once

#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/policy/due_times.h"
#include "daemon/policy/recycle.h"
#include "daemon/runtime/ports.h"

namespace pmx {

class AppUpkeep {
 public:
  struct Actions {
    // All instances, also those that ended by themselves; never what the operator has stopped.
    std::function<void(const std::string& why)> restart_all;
    std::function<void(int pm_id, const std::string& why)> restart_one;
    // The instances that are meant to run.
    std::function<std::vector<RecycleCandidate>()> candidates;
  };

  AppUpkeep(const Ports& ports, Actions actions);

  // For the first and any other settings. Throws Error(invalid_spec) if cron_restart or time_zone
  // are wrong, and leaves everything as it was.
  void configure(const AppSpec& spec);
  // An instance has changed its state.
  void instances_changed();

  // Throws Error(invalid_spec).
  static void check(const Ports& ports, const AppSpec& spec);

 private:
  void on_time();
  void arm();

  const Ports& ports_;
  Actions actions_;
  std::optional<DueTimes> times_;
  std::string schedule_;  // expression and zone of times_
  std::unique_ptr<WallTimer> wall_timer_;
  Millis max_uptime_{0};
  TimePoint quiet_until_{};  // after an instance was recycled
  asio::steady_timer age_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmx
