#include "daemon/runtime/memory_guard.h"

#include <utility>

#include "daemon/policy/memory_limit.h"

namespace pmx {

MemoryGuard::MemoryGuard(const Ports& ports, pid_t root, std::uint64_t limit,
                         std::function<void(std::uint64_t)> on_excess)
    : ports_(ports),
      root_(root),
      limit_(limit),
      on_excess_(std::move(on_excess)),
      timer_(ports.io) {
  look_after(next_memory_look(0, limit_));
}

void MemoryGuard::look_after(Millis delay) {
  timer_.expires_after(delay);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (!error && !alive.expired()) look();
  });
}

void MemoryGuard::look() {
  const std::uint64_t used = ports_.processes.usage(root_).memory_bytes;
  if (used <= limit_) {
    look_after(next_memory_look(used, limit_));
    return;
  }
  look_after(kReportEvery);
  const auto report = on_excess_;
  report(used);
}

}  // namespace pmx
