// HealthRecord: what a row of answers to a health check amounts to. Pure.
#pragma once

#include <string>

#include "common/model/health_check.h"

namespace pmx {

class HealthRecord {
 public:
  // `retries`: bad answers in a row that make it unhealthy; at least 1.
  explicit HealthRecord(int retries) : retries_(retries < 1 ? 1 : retries) {}

  // An empty text is a good answer. True: something should be done about it now; this is said
  // again after so many further bad answers, as nothing may have helped.
  bool heard(const std::string& problem);

  [[nodiscard]] Health health() const noexcept { return health_; }
  // "2 of 3 checks failed: status 500"; empty while it is well.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  int retries_;
  int failures_ = 0;
  Health health_ = Health::unknown;
  std::string text_;
};

}  // namespace pmx
