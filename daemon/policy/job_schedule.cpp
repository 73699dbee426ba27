#include "daemon/policy/job_schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/policy/duration_text.h"

namespace pmx {

using Action = JobStep::Action;

std::string_view to_string(Overlap overlap) noexcept {
  switch (overlap) {
    case Overlap::skip:
      return "skip";
    case Overlap::queue:
      return "queue";
    case Overlap::replace:
      break;
  }
  return "replace";
}

std::optional<Overlap> overlap_from(std::string_view text) noexcept {
  for (const Overlap each : {Overlap::skip, Overlap::queue, Overlap::replace}) {
    if (text == to_string(each)) return each;
  }
  return std::nullopt;
}

JobSchedule::JobSchedule(JobSettings settings, DueTimes times, Snapshot snapshot)
    : settings_(std::move(settings)), times_(std::move(times)), now_(snapshot) {}

JobStep JobSchedule::start(std::string reason, TimePoint now) {
  now_.state = State::running;
  now_.queued = false;
  now_.timed_out = false;
  now_.timer.reset();
  if (settings_.timeout > Millis{0}) now_.timer = now + settings_.timeout;
  return {Action::start, std::move(reason)};
}

JobStep JobSchedule::stop(std::string reason) {
  now_.state = State::stopping;
  now_.timer.reset();
  return {Action::stop, std::move(reason)};
}

JobStep JobSchedule::on_time(const JobNow& now) {
  JobStep step;
  const DueTimes::Answer answer = times_.at(now.wall);
  const std::string when = times_.zone().text(answer.time);
  switch (answer.kind) {
    case DueTimes::Answer::Kind::nothing:
      break;
    case DueTimes::Answer::Kind::met:
      step = on_due("run of " + when, now.steady);
      break;
    case DueTimes::Answer::Kind::make_up:
      step = on_due("run of " + when + ", made up for", now.steady);
      break;
    case DueTimes::Answer::Kind::missed:
      step.reason = "run of " + when + " was missed and is left out";
      break;
  }
  if (step.action != Action::none || !now_.timer || now.steady < *now_.timer) return step;
  return on_timer(now.steady);
}

JobStep JobSchedule::on_due(std::string what, TimePoint now) {
  if (now_.state == State::idle || now_.state == State::retrying) {
    now_.failed = 0;
    return start(std::move(what), now);
  }
  switch (settings_.overlap) {
    case Overlap::skip:
      return {Action::none, what + " left out: the one before has not ended"};
    case Overlap::queue:
      if (now_.queued) return {Action::none, what + " left out: another one waits already"};
      now_.queued = true;
      return {Action::none, what + " waits for the one before to end"};
    case Overlap::replace:
      break;
  }
  now_.queued = true;
  if (now_.state == State::stopping) return {};
  return stop("stopped for the " + what);
}

JobStep JobSchedule::on_timer(TimePoint now) {
  if (now_.state == State::retrying) {
    return start(fmt::format("try {} of {}", now_.failed + 1, settings_.retries + 1), now);
  }
  now_.timed_out = true;
  return stop(fmt::format("ran longer than {} (timeout)", exactly(settings_.timeout)));
}

JobStep JobSchedule::on_end(const ExitStatus& exit, const JobNow& now) {
  const bool code_is_good = exit.kind == ExitStatus::Kind::exited &&
                            std::ranges::count(settings_.success_codes, exit.value) > 0;
  return on_end((exit.success() || code_is_good) && !now_.timed_out, exit.describe(), now.steady);
}

JobStep JobSchedule::on_start_failed(std::string_view why, const JobNow& now) {
  return on_end(false, fmt::format("could not be started: {}", why), now.steady);
}

JobStep JobSchedule::on_end(bool well, std::string what, TimePoint now) {
  if (now_.state != State::running && now_.state != State::stopping) return {};
  if (now_.queued) {
    now_.failed = 0;
    return start(what + "; the next run follows", now);
  }
  now_.timer.reset();
  now_.state = State::idle;
  if (well) return {Action::none, what + "; done"};

  ++now_.failed;
  if (now_.failed > settings_.retries) {
    const auto* const tries = now_.failed == 1 ? "try" : "tries";
    return {Action::none, fmt::format("{}; failed after {} {}", what, now_.failed, tries)};
  }
  now_.state = State::retrying;
  now_.timer = now + settings_.retry_delay;
  return {Action::none, fmt::format("{}; try {} of {} in {}", what, now_.failed + 1,
                                    settings_.retries + 1, exactly(settings_.retry_delay))};
}

}  // namespace pmx
