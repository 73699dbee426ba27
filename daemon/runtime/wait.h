// Supervisor::wait_for, for the files that implement the Supervisor.
#pragma once

#include <algorithm>
#include <vector>

#include "daemon/runtime/supervisor.h"

namespace pmx {

// What was asked of it has happened, or has failed.
inline bool is_settled(const Instance& instance) {
  return instance.settled() || !instance.not_ready().empty();
}

template <class Predicate>
awaitable<void> Supervisor::wait_for(std::vector<int> pm_ids, Predicate predicate) {
  for (;;) {
    std::erase_if(pm_ids, [&](int id) {
      const Instance* instance = find(id);
      return instance == nullptr || predicate(*instance);
    });
    if (pm_ids.empty()) co_return;
    co_await changed_.wait();
  }
}

}  // namespace pmx
