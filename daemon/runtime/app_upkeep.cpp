#include "daemon/runtime/app_upkeep.h"

#include <fmt/format.h>

#include <utility>

#include "daemon/policy/duration_text.h"

namespace pmx {
namespace {

// One instance after another, and again if it could not be replaced.
constexpr std::chrono::seconds kTryAgain{10};

std::chrono::sys_seconds wall_seconds(const Clock& clock) {
  return std::chrono::sys_seconds{
      std::chrono::floor<std::chrono::seconds>(std::chrono::milliseconds{clock.wall_now()})};
}

const std::string& expression(const AppSpec& spec) {
  return spec.job ? spec.job->schedule : spec.cron_restart;
}

DueTimes due_times(const Ports& ports, const AppSpec& spec,
                   std::optional<std::chrono::sys_seconds> settled = {}) {
  return {CronSchedule::parse(expression(spec)), ports.time_zone(spec.time_zone),
          spec.job ? spec.job->catch_up : CatchUp::none, wall_seconds(ports.clock), settled};
}

DueTimes rotation_times(const Ports& ports, const AppSpec& spec) {
  return {CronSchedule::parse(spec.log_limits.interval), ports.time_zone(spec.time_zone),
          CatchUp::none, wall_seconds(ports.clock)};
}

}  // namespace

AppUpkeep::AppUpkeep(const Ports& ports, Actions actions)
    : ports_(ports), actions_(std::move(actions)), age_timer_(ports.io) {}

void AppUpkeep::check(const Ports& ports, const AppSpec& spec) {
  if (!expression(spec).empty()) due_times(ports, spec);
  if (!spec.log_limits.interval.empty()) rotation_times(ports, spec);
}

void AppUpkeep::configure(const AppSpec& spec) {
  std::string schedule;
  if (!expression(spec).empty())
    schedule = fmt::format("{}\n{}\n{}", expression(spec), spec.time_zone,
                           spec.job ? to_string(spec.job->catch_up) : "cron_restart");
  if (schedule != schedule_) {
    if (schedule.empty()) {
      times_.reset();
      wall_timer_.reset();
    } else {
      // A schedule that is changed begins anew.
      times_.emplace(due_times(ports_, spec,
                               spec.job && schedule_.empty() ? actions_.settled() : std::nullopt));
      if (!wall_timer_) wall_timer_ = ports_.wall_timer([this] { on_time(); });
      arm();
    }
    schedule_ = std::move(schedule);
    is_job_ = spec.job.has_value();
  }
  configure_rotation(spec);
  max_uptime_ = spec.max_uptime;
  instances_changed();
}

void AppUpkeep::configure_rotation(const AppSpec& spec) {
  std::string schedule;
  if (!spec.log_limits.interval.empty())
    schedule = fmt::format("{}\n{}", spec.log_limits.interval, spec.time_zone);
  if (schedule == rotation_schedule_) return;
  rotations_.reset();
  rotation_timer_.reset();
  if (!schedule.empty()) {
    rotations_.emplace(rotation_times(ports_, spec));
    rotation_timer_ = ports_.wall_timer([this] { rotation_time(); });
    if (const auto next = rotations_->next()) rotation_timer_->arm(*next);
  }
  rotation_schedule_ = std::move(schedule);
}

void AppUpkeep::rotation_time() {
  const DueTimes::Answer answer = rotations_->at(wall_seconds(ports_.clock));
  if (const auto next = rotations_->next()) rotation_timer_->arm(*next);
  if (answer.kind != DueTimes::Answer::Kind::nothing) actions_.rotate_logs();
}

void AppUpkeep::arm() {
  if (const auto next = times_->next()) wall_timer_->arm(*next);
}

void AppUpkeep::on_time() {
  if (!times_) return;
  const DueTimes::Answer answer = times_->at(wall_seconds(ports_.clock));
  arm();
  const std::string when = times_->zone().text(answer.time);
  switch (answer.kind) {
    case DueTimes::Answer::Kind::nothing:
      return;
    case DueTimes::Answer::Kind::met:
      if (is_job_) {
        actions_.run_due("run of " + when, times_->settled());
      } else {
        actions_.restart_all("cron_restart: " + when);
      }
      return;
    case DueTimes::Answer::Kind::make_up:
      actions_.run_due("run of " + when + ", made up for", times_->settled());
      return;
    case DueTimes::Answer::Kind::missed:
      if (is_job_) actions_.run_due("", times_->settled());
      return;
  }
}

void AppUpkeep::instances_changed() {
  if (max_uptime_ == Millis{0}) {
    age_timer_.cancel();
    return;
  }
  const TimePoint now = ports_.clock.now();
  RecycleDecision decision;
  if (now >= quiet_until_) decision = decide_recycle(max_uptime_, actions_.candidates(), now);
  if (decision.recycle) {
    quiet_until_ = now + kTryAgain;
    actions_.restart_one(static_cast<int>(*decision.recycle),
                         fmt::format("max_uptime ({}) is over", exactly(max_uptime_)));
  }
  if (now < quiet_until_) decision.ask_again = quiet_until_;
  if (!decision.ask_again) return;
  age_timer_.expires_at(*decision.ask_again);
  age_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (!error && !alive.expired()) instances_changed();
  });
}

}  // namespace pmx
