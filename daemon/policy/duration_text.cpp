#include "daemon/policy/duration_text.h"

#include <fmt/format.h>

namespace pmx {

std::string about(Duration duration) {
  using std::chrono::duration_cast;
  const auto millis = duration_cast<Millis>(duration).count();
  if (millis <= 0) return "0 ms";
  if (millis < 100) return fmt::format("{} ms", millis);
  if (millis < 10'000) return fmt::format("{}.{} s", millis / 1000, millis % 1000 / 100);
  const auto seconds = millis / 1000;
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 120 * 60) return fmt::format("{} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / (24 * 3600));
}

std::string exactly(Millis duration) { return fmt::format("{} ms", duration.count()); }

}  // namespace pmx
