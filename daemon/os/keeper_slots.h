// What the daemon puts into the keeper's slots. Their numbers: kind (8 bits), then for runs pm_id
// (24 bits) and generation (32 bits). There is one slot of the last kind: what the database could
// not take.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "daemon/keeper/wire.h"
#include "daemon/ports/spawner.h"

namespace pmx {

enum class SlotKind : std::uint8_t { run = 1, output = 2, listener = 3, unwritten = 4 };

inline constexpr int kMaxPmId = (1 << 24) - 1;

constexpr std::uint64_t run_slot(RunId run) {
  return (std::uint64_t{1} << 56U) | (static_cast<std::uint64_t>(run.pm_id) << 32U) |
         run.generation;
}
constexpr std::uint64_t output_slot(int pm_id) {
  return (std::uint64_t{2} << 56U) | (static_cast<std::uint64_t>(pm_id) << 32U);
}
constexpr std::uint64_t listener_slot(std::uint64_t number) {
  return (std::uint64_t{3} << 56U) | number;
}

inline constexpr std::uint64_t kUnwrittenSlot = std::uint64_t{4} << 56U;

constexpr SlotKind slot_kind(std::uint64_t slot) { return static_cast<SlotKind>(slot >> 56U); }
constexpr RunId run_of(std::uint64_t slot) {
  return {static_cast<int>((slot >> 32U) & 0xffffffU),
          static_cast<std::uint32_t>(slot & 0xffffffffU)};
}

struct KeeperSlot {
  pid_t pid = 0;  // 0: none, or not yet
  std::uint64_t start_time = 0;
  UniqueFd pidfd;
  std::vector<UniqueFd> fds;
  std::string state;
  std::optional<keeper::ExitRecord> exit;
};
using KeeperSlots = std::map<std::uint64_t, KeeperSlot>;

void set_state(keeper::Message& message, const std::string& state);
// Flags and counts for the slot's descriptors; returns them in wire order.
std::vector<int> add_fds(keeper::Message& message, const KeeperSlot& slot);
// A `store` message of all that there is but descriptors.
keeper::Message store_message(std::uint64_t id, const KeeperSlot& slot);

}  // namespace pmx
