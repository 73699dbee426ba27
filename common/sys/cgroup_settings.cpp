#include "common/sys/cgroup_settings.h"

#include <fmt/format.h>

#include <charconv>

#include "common/base/error.h"

namespace pmx::sys {
namespace {

constexpr double kPeriod = 100'000;  // microseconds, the kernel's default
constexpr double kMostCores = 10'000;

[[noreturn]] void refuse(const char* key, const std::string& value, const char* expected) {
  throw Error(ErrorCode::invalid_spec, fmt::format("{} \"{}\": expected {}", key, value, expected));
}

std::string share_of_cpu(const std::string& text) {
  const bool per_cent = text.ends_with('%');
  const char* const end = text.data() + text.size() - (per_cent ? 1 : 0);
  double value = 0;
  const auto [parsed, error] = std::from_chars(text.data(), end, value);
  const double cores = per_cent ? value / 100 : value;
  if (error != std::errc{} || parsed != end || !(cores >= 0.01) || cores > kMostCores)
    refuse("cpu_max", text, "a share of one core like \"50%\", or cores like \"1.5\"");
  return fmt::format("{:.0f} {:.0f}", cores * kPeriod, kPeriod);
}

}  // namespace

std::vector<CgroupSetting> cgroup_settings(const ProcessLimits& limits) {
  std::vector<CgroupSetting> settings;
  if (!limits.cpu_max.empty()) settings.push_back({"cpu.max", share_of_cpu(limits.cpu_max)});
  if (limits.memory_high > 0)
    settings.push_back({"memory.high", std::to_string(limits.memory_high)});
  if (limits.memory_max > 0) settings.push_back({"memory.max", std::to_string(limits.memory_max)});
  if (limits.pids_max) {
    if (*limits.pids_max < 1) refuse("pids_max", std::to_string(*limits.pids_max), "1 or more");
    settings.push_back({"pids.max", std::to_string(*limits.pids_max)});
  }
  if (limits.io_weight) {
    if (*limits.io_weight < 1 || *limits.io_weight > 10'000)
      refuse("io_weight", std::to_string(*limits.io_weight), "1 to 10000");
    settings.push_back({"io.weight", std::to_string(*limits.io_weight)});
  }
  return settings;
}

}  // namespace pmx::sys
