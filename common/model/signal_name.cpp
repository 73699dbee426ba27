#include "common/model/signal_name.h"

#include <fmt/format.h>

#include <csignal>
#include <cstring>

namespace pmx {
namespace {

constexpr int kLastStandardSignal = 31;

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("SIG{}", number);
}

std::optional<int> signal_number(std::string_view name) {
  if (name.size() > 3 && equal_ignoring_case(name.substr(0, 3), "SIG")) name.remove_prefix(3);
  for (int number = 1; number <= kLastStandardSignal; ++number) {
    const char* candidate = ::sigabbrev_np(number);
    if (candidate != nullptr && equal_ignoring_case(name, candidate)) return number;
  }
  return std::nullopt;
}

}  // namespace pmx
