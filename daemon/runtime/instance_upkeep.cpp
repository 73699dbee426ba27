// Instance: what watches over a process that runs well.
#include <fmt/format.h>

#include "daemon/runtime/instance.h"

namespace pmx {
namespace {

constexpr std::uint64_t kMebibyte = 1024 * 1024;

}  // namespace

std::optional<RecycleCandidate> Instance::recycle_candidate() const {
  if (!fsm_.wants_running() || fsm_.state() == InstanceState::idle) return std::nullopt;
  RecycleCandidate candidate;
  candidate.id = static_cast<std::uint64_t>(identity_.pm_id);
  if (current_) {
    candidate.run = current_->run.generation;
    candidate.started_at = current_->started;
    candidate.ready = fsm_.state() == InstanceState::online && !candidate_;
  }
  return candidate;
}

void Instance::update_upkeep() {
  const bool online = current_ && !current_->exited && fsm_.state() == InstanceState::online;
  const std::uint32_t generation = online ? current_->run.generation : 0;
  if (generation == guarded_) return;
  guarded_ = generation;
  memory_guard_.reset();
  if (!online || spec_->max_memory_restart == 0) return;
  const std::uint64_t limit = spec_->max_memory_restart;
  memory_guard_.emplace(ports_, current_->pid, limit, [this, limit](std::uint64_t used) {
    events_.restart_due(
        identity_.pm_id,
        fmt::format("its processes use {} MiB, more than max_memory_restart ({} MiB)",
                    used / kMebibyte, limit / kMebibyte));
  });
}

}  // namespace pmx
