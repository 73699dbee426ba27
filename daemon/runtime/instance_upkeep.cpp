// Instance: what watches over a process that runs well.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/policy/duration_text.h"
#include "daemon/runtime/checks.h"
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

void Instance::add_checks(Incarnation& incarnation, const AppSpec& spec, const Env& env) {
  const std::uint32_t generation = incarnation.run.generation;
  Checks::Events events;
  events.ready = [this, generation] { became_ready(generation); };
  events.needs_longer = [this, generation](Millis longer) { needs_longer(generation, longer); };
  events.unhealthy = [this, generation](const std::string& why) {
    became_unhealthy(generation, why);
  };
  events.changed = [this] {
    admit_if_online();
    events_.changed();
  };
  incarnation.checks = Checks::make(ports_, spec, identity_.app_id, incarnation.run, env,
                                    ports_.paths(spec, identity_.pm_id), std::move(events));
}

void Instance::needs_longer(std::uint32_t generation, Millis longer) {
  if (current_ && current_->run.generation == generation &&
      fsm_.state() == InstanceState::launching)
    arm_ready_timer(longer);
}

void Instance::became_unhealthy(std::uint32_t generation, const std::string& why) {
  if (!current_ || current_->run.generation != generation || fsm_.state() != InstanceState::online)
    return;
  if (spec_->health.action == HealthAction::report) {
    ports_.log(fmt::format("{} ({}): {}", spec_->name, identity_.pm_id, why));
    return;
  }
  events_.restart_due(identity_.pm_id, why);
}

void Instance::update_upkeep() {
  const bool online = current_ && !current_->exited && fsm_.state() == InstanceState::online;
  if (current_ && current_->checks) current_->checks->watch_health(online);
  const std::uint32_t generation = online ? current_->run.generation : 0;
  if (generation == guarded_) return;
  guarded_ = generation;
  memory_guard_.reset();
  run_timer_.cancel();
  if (online && spec_->job && spec_->job->timeout > Millis{0}) {
    const Duration left = current_->started + spec_->job->timeout - ports_.clock.now();
    arm(run_timer_, std::max(std::chrono::ceil<Millis>(left), Millis{0}),
        RunTimedOut{fmt::format("ran longer than {} (timeout)", exactly(spec_->job->timeout))});
  }
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
