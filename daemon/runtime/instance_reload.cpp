// Instance: what gives way without cutting its connections: replacement in place, and retirement.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/model/door.h"
#include "daemon/runtime/instance.h"

namespace pmx {

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
  const Millis limit = spec.listen_timeout;
  candidate_timer_.expires_after(limit);
  candidate_timer_.async_wait(
      [this, limit, must_be_ready, alive = std::weak_ptr(alive_)](const std::error_code& error) {
        if (error || alive.expired() || (!candidate_ && in_place_after_ == 0)) return;
        if (must_be_ready) {
          // pm2 goes on here and ends every healthy worker of a broken release.
          candidate_failed(fmt::format("it was not ready within {} ms", limit.count()));
        } else {
          events_.candidate_ready(identity_.pm_id);
        }
      });
}

}  // namespace pmx
