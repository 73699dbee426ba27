// MemoryGuard: looks at the memory of one process tree, the oftener the nearer it is to its limit,
// and says when it is above.
//
// By sampling, not by cgroup events: it works wherever pmx does, and counts what the kernel counts
// as resident for each process of the tree.
#pragma once

#include <sys/types.h>

#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "daemon/runtime/ports.h"

namespace pmx {

class MemoryGuard {
 public:
  // Between two reports, if nothing is done about the first.
  static constexpr Millis kReportEvery{30'000};

  // `on_excess` (bytes used) comes from a turn of the event loop of its own; it may destroy this.
  MemoryGuard(const Ports& ports, pid_t root, std::uint64_t limit,
              std::function<void(std::uint64_t used)> on_excess);

 private:
  void look_after(Millis delay);
  void look();

  const Ports& ports_;
  pid_t root_;
  std::uint64_t limit_;
  std::function<void(std::uint64_t)> on_excess_;
  asio::steady_timer timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmx
