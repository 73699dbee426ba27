#include "daemon/policy/health_record.h"

#include <fmt/format.h>

namespace pmx {

bool HealthRecord::heard(const std::string& problem) {
  if (problem.empty()) {
    failures_ = 0;
    health_ = Health::healthy;
    text_.clear();
    return false;
  }
  ++failures_;
  health_ = failures_ < retries_ ? Health::degraded : Health::unhealthy;
  text_ = health_ == Health::degraded
              ? fmt::format("{} of {} checks failed: {}", failures_, retries_, problem)
          : failures_ == 1 ? fmt::format("a check failed: {}", problem)
                           : fmt::format("{} checks in a row failed: {}", failures_, problem);
  return failures_ % retries_ == 0;
}

}  // namespace pmx
