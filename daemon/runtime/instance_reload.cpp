// Instance: a second process beside the present one, replacement in place, and what gives way
// without cutting its connections.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/model/door.h"
#include "daemon/runtime/checks.h"
#include "daemon/runtime/instance.h"

namespace pmx {

std::optional<std::string> Instance::start_candidate(std::shared_ptr<const AppSpec> spec) {
  remove_candidate();
  std::string failure;
  candidate_ = spawn(*spec, Incarnation::Role::candidate, failure);
  if (!candidate_) return failure;
  tell_online("the new process of a reload");
  candidate_spec_ = std::move(spec);
  events_.changed();
  const bool old_was_ready = current_ && current_->ready;
  // An app that never listens: running for so long is all one can ask.
  arm_candidate_timer(*candidate_spec_, old_was_ready || candidate_spec_->wait_ready);
  return std::nullopt;
}

void Instance::candidate_failed(const std::string& why) {
  const std::string reason = why;
  remove_candidate();
  events_.candidate_failed(identity_.pm_id, reason);
}

void Instance::remove_candidate() {
  in_place_after_ = 0;
  candidate_timer_.cancel();
  if (!candidate_) return;
  set_role(*candidate_, Incarnation::Role::retiring);
  retire(std::move(candidate_), StopPurpose::stop);
}

bool Instance::promote_candidate(const std::string& why) {
  if (std::exchange(in_place_after_, 0) != 0) {
    events_.old_gone(identity_.pm_id);
    return true;
  }
  if (!candidate_) return false;
  // The process is the new one's from here on, whatever happens next.
  const InstanceStep step = fsm_.on(Replaced{candidate_->run.generation, why}, ports_.clock.now());
  if (step.ignored) {
    remove_candidate();
    return false;
  }
  std::unique_ptr<Incarnation> old = std::exchange(current_, std::move(candidate_));
  // First this, then the old one's role: a daemon that finds two current ones keeps the newer, one
  // that finds none would have to start a third.
  set_role(*current_, Incarnation::Role::current);
  started_at_ = current_->started_at;
  if (candidate_spec_) set_spec(std::exchange(candidate_spec_, nullptr));
  // The new one is in rotation before the old one is out of it.
  ports_.listeners.admit(identity_.app_id, current_->run);
  if (old) {
    replaced_ = old->run.generation;
    set_role(*old, Incarnation::Role::retiring);
    retire(std::move(old), StopPurpose::retire);
  } else {
    events_.old_gone(identity_.pm_id);
  }
  for (const InstanceEffect& effect : step.effects) perform(effect);
  return true;
}

void Instance::retire(std::unique_ptr<Incarnation> incarnation, StopPurpose purpose) {
  end_retired(*retiring_.emplace_back(std::move(incarnation)), purpose);
}

void Instance::end_retired(Incarnation& incarnation, StopPurpose purpose) {
  ports_.listeners.retire(identity_.app_id, incarnation.run);
  const std::uint32_t generation = incarnation.run.generation;
  end(incarnation, purpose, [this, generation](bool gone, const std::string& reason) {
    if (!gone)
      ports_.log(fmt::format("{} ({}): the replaced process does not end: {}", spec_->name,
                             identity_.pm_id, reason));
    const auto entry = std::find_if(
        retiring_.begin(), retiring_.end(),
        [generation](const auto& candidate) { return candidate->run.generation == generation; });
    if (entry != retiring_.end()) {
      ports_.spawner.forget((*entry)->run);
      retiring_.erase(entry);
    }
    if (generation == replaced_) events_.old_gone(identity_.pm_id);
    events_.changed();
  });
}

void Instance::retire_current() {
  const bool can_drain =
      shares_sockets(*spec_) && current_ && fsm_.state() == InstanceState::online;
  if (can_drain) stop_purpose_ = StopPurpose::retire;
  stop();
}

void Instance::replace_in_place(std::shared_ptr<const AppSpec> spec) {
  remove_candidate();
  set_spec(std::move(spec));
  in_place_was_ready_ = current_ && current_->ready;
  in_place_after_ = std::max<std::uint32_t>(1, generation_);
  if (current_ && fsm_.state() == InstanceState::online) stop_purpose_ = StopPurpose::retire;
  restart();
}

bool Instance::is_in_place(std::uint32_t generation) const noexcept {
  return in_place_after_ != 0 && generation > in_place_after_;
}

void Instance::watch_in_place() {
  if (is_in_place(current_->run.generation))
    arm_candidate_timer(*spec_, in_place_was_ready_ || spec_->wait_ready);
}

void Instance::arm_candidate_timer(const AppSpec& spec, bool must_be_ready) {
  const bool is_probed = !spec.ready.probe.empty();
  const Millis limit = is_probed ? spec.ready.timeout : spec.listen_timeout;
  if (is_probed) must_be_ready = spec.ready.on_timeout == ReadyTimeoutAction::fail;
  candidate_timer_.expires_after(limit);
  candidate_timer_.async_wait(
      [this, limit, must_be_ready, alive = std::weak_ptr(alive_)](const std::error_code& error) {
        if (error || alive.expired() || (!candidate_ && in_place_after_ == 0)) return;
        if (must_be_ready) {
          // pm2 goes on here and ends every healthy worker of a broken release.
          const Incarnation* waiting = candidate_ ? candidate_.get() : current_.get();
          const std::string why =
              waiting != nullptr && waiting->checks ? waiting->checks->not_ready_because() : "";
          candidate_failed(fmt::format("it was not ready within {} ms{}{}", limit.count(),
                                       why.empty() ? "" : ": ", why));
        } else {
          events_.candidate_ready(identity_.pm_id);
        }
      });
}

}  // namespace pmx
