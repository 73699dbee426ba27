#include "common/model/instance_status.h"

#include <array>
#include <utility>

namespace pmx {
namespace {

constexpr std::array<std::pair<InstanceState, std::string_view>, 7> kNames{{
    {InstanceState::stopped, "stopped"},
    {InstanceState::launching, "launching"},
    {InstanceState::online, "online"},
    {InstanceState::stopping, "stopping"},
    {InstanceState::waiting_restart, "waiting restart"},
    {InstanceState::errored, "errored"},
    {InstanceState::idle, "idle"},
}};

}  // namespace

std::string_view to_string(InstanceState state) noexcept {
  for (const auto& [value, name] : kNames) {
    if (value == state) return name;
  }
  return "errored";
}

std::optional<InstanceState> instance_state_from(std::string_view text) noexcept {
  for (const auto& [value, name] : kNames) {
    if (name == text) return value;
  }
  return std::nullopt;
}

}  // namespace pmx
