// AppUpkeep: what an app's own settings have done at times: a job's runs, restarts by cron_restart,
// and by max_uptime instance by instance, logs put aside by rotate_interval. Decides and keeps time;
// the supervisor acts.
#pragma once

#include <asio/steady_timer.hpp>
#include <chrono>
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
    std::function<void()> rotate_logs;
    // Of a job; `what` is empty: the time was missed and is left out. Times up to `settled` need not be
    // looked at again.
    std::function<void(const std::string& what, std::chrono::sys_seconds settled)> run_due;
    // Of a job, from a daemon before.
    std::function<std::optional<std::chrono::sys_seconds>()> settled;
    // The instances that are meant to run.
    std::function<std::vector<RecycleCandidate>()> candidates;
  };

  AppUpkeep(const Ports& ports, Actions actions);

  // For the first and any other settings. Throws Error(invalid_spec) if schedule, cron_restart,
  // rotate_interval or time_zone are wrong, and leaves everything as it was.
  void configure(const AppSpec& spec);
  // An instance has changed its state.
  void instances_changed();

  // Of the schedule or cron_restart.
  [[nodiscard]] std::optional<std::chrono::sys_seconds> next_time() const {
    return times_ ? times_->next() : std::nullopt;
  }

  // Throws Error(invalid_spec).
  static void check(const Ports& ports, const AppSpec& spec);

 private:
  void on_time();
  void arm();
  void configure_rotation(const AppSpec& spec);
  void rotation_time();

  const Ports& ports_;
  Actions actions_;
  std::optional<DueTimes> times_;
  std::string schedule_;  // expression and zone of times_, and of what
  bool is_job_ = false;
  std::unique_ptr<WallTimer> wall_timer_;
  std::optional<DueTimes> rotations_;
  std::string rotation_schedule_;  // expression and zone of rotations_
  std::unique_ptr<WallTimer> rotation_timer_;
  Millis max_uptime_{0};
  TimePoint quiet_until_{};  // after an instance was recycled
  asio::steady_timer age_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmx
