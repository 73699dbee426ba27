// Checks: finds out whether one run of an instance is ready, and whether it is well, as its app has
// wished (AppSpec::ready, AppSpec::health).
#pragma once

#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/policy/health_record.h"
#include "daemon/ports/notify_watch.h"
#include "daemon/runtime/ports.h"
#include "daemon/runtime/probe_loop.h"

namespace pmx {

// A command of the app's, without text and timeout: it runs as the app does, but has none of the
// app's own descriptors.
ProbeQuestion command_question(const AppSpec& spec, Env env);

class Checks {
 public:
  // Each comes in a turn of the event loop of its own, and may destroy the Checks.
  struct Events {
    std::function<void()> ready;
    std::function<void(Millis)> needs_longer;  // to become ready, from now
    std::function<void(const std::string& why)> unhealthy;
    std::function<void()> changed;  // anything a user could see
  };

  // nullptr: the app wishes none. Throws Error(invalid_spec) if a probe cannot be understood with
  // this environment.
  static std::unique_ptr<Checks> make(const Ports& ports, const AppSpec& spec, std::uint64_t app_id,
                                      RunId run, const Env& env, const InstancePaths& paths,
                                      Events events);

  // What the run must be spawned with.
  void prepare(SpawnRequest& request) const;
  // It runs; `notify` may be empty.
  void begin(UniqueFd notify, pid_t pid);
  // Asks until it is ready.
  void await_ready();
  // It is online, or no longer.
  void watch_health(bool on);

  [[nodiscard]] bool has_ready_probe() const noexcept { return ready_.has_value(); }
  // Whether it is ready when it listens on a shared port, or says "ready" on its channel.
  [[nodiscard]] bool ready_by(Probe::Kind kind) const { return ready_ && ready_->kind == kind; }
  // What has come of the last question; empty: nothing yet.
  [[nodiscard]] const std::string& not_ready_because() const noexcept { return last_problem_; }
  [[nodiscard]] Health health() const noexcept { return record_.health(); }
  [[nodiscard]] const std::string& health_text() const noexcept { return record_.text(); }
  [[nodiscard]] const std::string& said() const noexcept { return said_; }

 private:
  Checks(const Ports& ports, const AppSpec& spec, std::uint64_t app_id, RunId run, const Env& env,
         const InstancePaths& paths, Events events);
  [[nodiscard]] ProbeLoop::Ask ask(const ProbeQuestion& question) const;
  [[nodiscard]] ProbeLoop::Ask look_into_logs() const;
  [[nodiscard]] ProbeQuestion question(const Probe& probe, Millis timeout, const AppSpec& spec,
                                       std::uint64_t app_id, RunId run, const Env& env) const;
  void heard(const Notification& said);
  void await_sign_of_life();
  void judge(const std::string& problem);

  const Ports& ports_;
  Events events_;
  HealthCheck settings_;
  std::optional<Probe> ready_;
  ProbeLoop::Ask ask_ready_;  // empty: it tells by itself
  bool watchdog_ = false;     // the health check waits for signs of life
  std::optional<ProbeQuestion> health_question_;
  // A log file, and where this run begins in it.
  struct LogFile {
    std::string path;
    std::optional<std::uint64_t> from;
  };
  std::shared_ptr<std::vector<LogFile>> logs_ = std::make_shared<std::vector<LogFile>>();
  std::unique_ptr<NotifyWatch> notify_;
  std::unique_ptr<ProbeLoop> ready_loop_;
  std::unique_ptr<ProbeLoop> health_loop_;
  asio::steady_timer watchdog_timer_;
  bool watching_health_ = false;
  HealthRecord record_;
  TimePoint asked_at_{};  // the health question
  Millis pause_{0};       // before the next question to what is not ready
  std::string last_problem_;
  std::string said_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmx
