#include "cli/plan/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace pmx::cli {
namespace {

struct Unit {
  std::uint64_t amount;
  std::string_view name;
};
// Larger ones first.
constexpr std::array kTimes{Unit{3'600'000, "h"}, Unit{60'000, "m"}, Unit{1000, "s"}};
constexpr std::array kBytes{Unit{1ULL << 30U, "G"}, Unit{1ULL << 20U, "M"}, Unit{1ULL << 10U, "K"}};

// With the largest unit that says the same.
template <class Units>
std::string in_units(std::uint64_t number, const Units& units, std::string_view smallest) {
  if (number == 0) return "0";
  for (const Unit& unit : units) {
    if (number % unit.amount == 0) return fmt::format("{}{}", number / unit.amount, unit.name);
  }
  return fmt::format("{}{}", number, smallest);
}

constexpr auto kDurations = std::to_array<std::string_view>(
    {"drain_timeout", "exp_backoff_restart_delay", "health.interval", "health.start_period",
     "health.timeout", "job.retry_delay", "job.timeout", "kill_timeout", "listen_timeout",
     "max_backoff", "max_uptime", "min_ready", "min_uptime", "ready.timeout", "restart_delay",
     "restart_window", "retry_after", "watch_delay"});
constexpr auto kSizes = std::to_array<std::string_view>(
    {"limits.memory_high", "limits.memory_max", "max_log_size", "max_memory_restart"});

}  // namespace

std::string with_unit(std::string_view field, const std::string& value) {
  std::uint64_t number = 0;
  const char* const end = value.data() + value.size();
  const auto [behind, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc() || behind != end) return value;
  if (std::ranges::binary_search(kDurations, field)) return in_units(number, kTimes, "ms");
  return std::ranges::binary_search(kSizes, field) ? in_units(number, kBytes, "") : value;
}

}  // namespace pmx::cli
