#include "common/model/health_check.h"

namespace pmx {
namespace {

template <class Name>
std::optional<Name> named(std::initializer_list<Name> all, std::string_view text) noexcept {
  for (const Name each : all) {
    if (text == to_string(each)) return each;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(ReadyTimeoutAction action) noexcept {
  return action == ReadyTimeoutAction::fail ? "fail" : "online";
}

std::optional<ReadyTimeoutAction> ready_timeout_action_from(std::string_view text) noexcept {
  return named({ReadyTimeoutAction::fail, ReadyTimeoutAction::online}, text);
}

std::string_view to_string(HealthAction action) noexcept {
  return action == HealthAction::restart ? "restart" : "report";
}

std::optional<HealthAction> health_action_from(std::string_view text) noexcept {
  return named({HealthAction::restart, HealthAction::report}, text);
}

std::string_view to_string(Health health) noexcept {
  switch (health) {
    case Health::healthy:
      return "healthy";
    case Health::degraded:
      return "degraded";
    case Health::unhealthy:
      return "unhealthy";
    case Health::unknown:
      break;
  }
  return "unknown";
}

std::optional<Health> health_from(std::string_view text) noexcept {
  return named({Health::unknown, Health::healthy, Health::degraded, Health::unhealthy}, text);
}

}  // namespace pmx
