// How single values are written in tables (pm2-surface 12.1).
#pragma once

#include <cstdint>
#include <string>

#include "cli/render/table.h"
#include "common/model/instance_status.h"

namespace pmx::cli {

// The largest unit whose count is above one: 119s, 2m, 2h, 2D, 2M, 2Y.
std::string uptime_text(WallMillis elapsed);
// One decimal, none when it is zero: "12.5%", "3%".
std::string cpu_text(double percent);
// "51.4mb"; units b, kb, mb, gb of 1024.
std::string memory_text(std::uint64_t bytes);
// 2026-11-23T01:20:00.000Z; "N/A" for 0.
std::string time_text(WallMillis wall);

Cell uptime_cell(const InstanceStatus& status, WallMillis now);
// With its health where that is not good: "unhealthy".
Cell state_cell(const InstanceStatus& status);
Cell pid_cell(const InstanceStatus& status);

}  // namespace pmx::cli
