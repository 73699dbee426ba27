#include "daemon/policy/increment_var.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace pmx {

std::optional<std::string> incremented(const AppSpec& spec, int instance_number) {
  const auto variable = spec.env.find(spec.increment_var);
  if (variable == spec.env.end()) return std::nullopt;
  const std::string& text = variable->second;
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  if (__builtin_add_overflow(value, instance_number, &value)) return std::nullopt;
  return std::to_string(value);
}

std::string increment_var_problem(const AppSpec& spec) {
  if (spec.increment_var.empty() || incremented(spec, AppSpec::kMaxInstances)) return {};
  const auto variable = spec.env.find(spec.increment_var);
  if (variable == spec.env.end()) {
    return fmt::format("increment_var is {0}, but its environment has no {0}; give it a number",
                       spec.increment_var);
  }
  return fmt::format("increment_var is {}, but \"{}\" is not a whole number", spec.increment_var,
                     variable->second);
}

}  // namespace pmx
