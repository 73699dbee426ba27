#include "cli/render/cells.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <ctime>

namespace pmx::cli {

std::string uptime_text(WallMillis elapsed) {
  struct Unit {
    std::int64_t seconds;
    char letter;
  };
  constexpr std::array kUnits = {Unit{31536000, 'Y'}, Unit{2592000, 'M'}, Unit{86400, 'D'},
                                 Unit{3600, 'h'}, Unit{60, 'm'}};
  const std::int64_t seconds = elapsed > 0 ? elapsed / 1000 : 0;
  for (const Unit& unit : kUnits) {
    if (seconds / unit.seconds > 1) return fmt::format("{}{}", seconds / unit.seconds, unit.letter);
  }
  return fmt::format("{}s", seconds);
}

std::string cpu_text(double percent) {
  const double rounded = std::round(percent * 10) / 10;
  if (rounded == std::floor(rounded)) return fmt::format("{:.0f}%", rounded);
  return fmt::format("{:.1f}%", rounded);
}

std::string memory_text(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{}b", bytes);
  const auto value = static_cast<double>(bytes);
  if (bytes < (1ULL << 20U)) return fmt::format("{:.1f}kb", value / 1024);
  if (bytes < (1ULL << 30U)) return fmt::format("{:.1f}mb", value / 1024 / 1024);
  return fmt::format("{:.1f}gb", value / 1024 / 1024 / 1024);
}

std::string time_text(WallMillis wall) {
  if (wall <= 0) return "N/A";
  const std::time_t seconds = wall / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, wall % 1000);
}

Cell uptime_cell(const InstanceStatus& status, WallMillis now) {
  if (status.state != InstanceState::online) return {"0"};
  return {uptime_text(now - status.started_at)};
}

Cell state_cell(const InstanceStatus& status) {
  const InstanceState state = status.state;
  Colour colour = Colour::red;
  if (state == InstanceState::online &&
      (status.health == Health::degraded || status.health == Health::unhealthy)) {
    return {std::string(to_string(status.health)),
            status.health == Health::degraded ? Colour::yellow : Colour::red};
  }
  if (state == InstanceState::online) colour = Colour::green;
  if (state == InstanceState::launching) colour = Colour::blue;
  return {std::string(to_string(state)), colour};
}

Cell pid_cell(const InstanceStatus& status) {
  return {status.ever_spawned || status.pid != 0 ? fmt::format("{}", status.pid) : "N/A"};
}

}  // namespace pmx::cli
