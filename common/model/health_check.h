// When an instance counts as ready, and how it is found out that it is well. Probes are texts as
// probe.h describes them, empty: none.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace pmx {

enum class ReadyTimeoutAction {
  fail,    // the process is ended, as if it had crashed
  online,  // it counts as online all the same, as in pm2
};
std::string_view to_string(ReadyTimeoutAction action) noexcept;
std::optional<ReadyTimeoutAction> ready_timeout_action_from(std::string_view) noexcept;

struct ReadyCheck {
  std::string probe;
  std::chrono::milliseconds timeout{30'000};
  ReadyTimeoutAction on_timeout = ReadyTimeoutAction::fail;

  friend bool operator==(const ReadyCheck&, const ReadyCheck&) = default;
};

enum class HealthAction {
  restart,  // instances that share ports are replaced without a gap
  report,   // it is only shown
};
std::string_view to_string(HealthAction action) noexcept;
std::optional<HealthAction> health_action_from(std::string_view) noexcept;

struct HealthCheck {
  std::string probe;
  std::chrono::milliseconds interval{10'000};
  std::chrono::milliseconds timeout{5'000};   // for one answer
  int retries = 3;                            // failures in a row that make it unhealthy
  std::chrono::milliseconds start_period{0};  // after it is online, before the first question
  HealthAction action = HealthAction::restart;

  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

// What the answers amount to.
enum class Health {
  unknown,  // no health check, or none answered yet
  healthy,
  degraded,  // the last answers were bad, but fewer than `retries`
  unhealthy,
};
std::string_view to_string(Health health) noexcept;
std::optional<Health> health_from(std::string_view) noexcept;

}  // namespace pmx
