// Exits of children nobody has named yet: an app may end before the daemon could say which slot it
// belongs to.
#pragma once

#include "daemon/keeper/wire.h"

namespace pmx::keeper {

// The last kCapacity of them; zero-initialised is empty.
class EarlyExits {
 public:
  static constexpr int kCapacity = 256;

  void remember(const ExitRecord& record) noexcept {
    records_[next_] = record;
    next_ = (next_ + 1) % kCapacity;
    is_empty_ = false;
  }

  // Moves the record of `pid` into `record`; false: there is none.
  [[nodiscard]] bool take(std::int32_t pid, ExitRecord& record) noexcept {
    for (ExitRecord& candidate : records_) {
      if (is_empty_ || candidate.pid != pid) continue;
      record = candidate;
      candidate = ExitRecord{};
      return true;
    }
    return false;
  }

  void clear() noexcept {
    if (is_empty_) return;
    for (ExitRecord& record : records_) record = ExitRecord{};
    is_empty_ = true;
  }

 private:
  ExitRecord records_[kCapacity];
  int next_;
  bool is_empty_;
};

}  // namespace pmx::keeper
