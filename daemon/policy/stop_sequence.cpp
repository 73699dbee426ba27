#include "daemon/policy/stop_sequence.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "common/model/door.h"
#include "common/model/signal_name.h"
#include "daemon/policy/duration_text.h"

namespace pmx {
namespace {

using Action = StopProgress::Action;
using Kind = StopStep::Kind;

std::string describe(const StopStep& step) {
  switch (step.kind) {
    case Kind::message:
      return "message \"shutdown\"";
    case Kind::disconnect:
      return "disconnect";
    case Kind::command:
      return "stop_command";
    case Kind::drain:
      return "waiting for its connections";
    case Kind::signal:
      break;
  }
  return signal_name(step.signal);
}

}  // namespace

StopSequence::StopSequence(const AppSpec& spec, StopPurpose purpose, bool has_channel)
    : whole_tree_(spec.kill_mode != KillMode::leader) {
  const Door door = door_of(spec);
  if (purpose == StopPurpose::retire) {
    if (door == Door::node && has_channel)
      steps_.push_back({.kind = Kind::disconnect, .wait = spec.drain_timeout});
    if (door == Door::preload || door == Door::seccomp ||
        (door == Door::none && !spec.listen.empty()))
      steps_.push_back({.kind = Kind::drain, .wait = spec.drain_timeout});
  }
  if (!spec.stop_command.empty())
    steps_.push_back({.kind = Kind::command, .wait = spec.kill_timeout});
  if (spec.shutdown_with_message && has_channel) {
    steps_.push_back({.kind = Kind::message, .wait = spec.kill_timeout});
  } else if (spec.stop_steps.empty()) {
    steps_.push_back({.kind = Kind::signal,
                      .signal = SIGINT,
                      .whole_tree = whole_tree_,
                      .wait = spec.kill_timeout});
  }
  for (const StopSignal& step : spec.stop_steps) {
    steps_.push_back({.kind = Kind::signal,
                      .signal = step.number,
                      .whole_tree = whole_tree_,
                      .wait = step.wait});
  }
  steps_.push_back({.kind = Kind::signal,
                    .signal = SIGKILL,
                    .whole_tree = whole_tree_,
                    .wait = std::max(spec.kill_timeout, kLeastWaitAfterKill)});
}

StopProgress StopSequence::begin() { return finished_ ? end_ : perform_next({}); }

StopProgress StopSequence::on(StopEvent event) {
  if (finished_) return end_;
  switch (event) {
    case StopEvent::step_timed_out:
      return on_timeout();
    case StopEvent::channel_closed:
      return on_channel_closed();
    case StopEvent::drained:
      if (next_ > 0 && steps_[next_ - 1].kind == Kind::drain)
        return perform_next("drained: it has no connections any more");
      if (next_ > 0 && steps_[next_ - 1].kind == Kind::disconnect)
        return perform_next("drained: the worker has finished its connections");
      return {Action::keep_wait, {}, "it is not draining"};
    case StopEvent::main_exited:
      return on_main_exited();
    case StopEvent::tree_gone:
      break;
  }
  return finish(Action::done, "all processes are gone");
}

StopProgress StopSequence::on_timeout() {
  if (next_ == 0) return {Action::keep_wait, {}, "not begun"};
  const std::string waited = exactly(steps_[next_ - 1].wait);
  const auto* const who = main_gone_ ? "children of the main process are" : "the main process is";
  if (next_ == steps_.size()) {
    return finish(Action::failed, fmt::format("{} still there {} after SIGKILL", who, waited));
  }
  return perform_next(fmt::format("{} still there after {}", who, waited));
}

StopProgress StopSequence::on_channel_closed() {
  // No message can be sent any more.
  for (std::size_t i = next_; i < steps_.size(); ++i) {
    if (steps_[i].kind == Kind::message) {
      steps_[i].kind = Kind::signal;
      steps_[i].signal = SIGINT;
      steps_[i].whole_tree = whole_tree_;
    }
  }
  if (next_ > 0 && steps_[next_ - 1].kind == Kind::disconnect) {
    return perform_next("drained: the worker closed its channel");
  }
  return {Action::keep_wait, {}, "the channel is closed"};
}

StopProgress StopSequence::on_main_exited() {
  main_gone_ = true;
  if (!whole_tree_)
    return finish(Action::done,
                  "the main process is gone; kill_mode is leader, so its children are left alone");
  // Nobody is left to drain or to hear of a command, and children know nothing about a disconnect.
  if (next_ > 0 &&
      (steps_[next_ - 1].kind == Kind::drain || steps_[next_ - 1].kind == Kind::command))
    return perform_next("the main process is gone, its tree may not be");
  if (next_ > 0 && steps_[next_ - 1].kind == Kind::disconnect) {
    StopProgress progress = on_channel_closed();
    progress.reason = "the main process is gone, its tree may not be; " + describe(progress.step);
    return progress;
  }
  return {Action::keep_wait, {}, "the main process is gone; waiting for its tree"};
}

StopProgress StopSequence::perform_next(const std::string& why) {
  if (next_ == steps_.size()) return {Action::keep_wait, {}, "no step is left"};
  const StopStep& step = steps_[next_++];
  const std::string what = describe(step);
  return {Action::perform, step, why.empty() ? what : why + "; " + what};
}

StopProgress StopSequence::finish(Action action, std::string reason) {
  finished_ = true;
  end_ = {action, {}, std::move(reason)};
  return end_;
}

}  // namespace pmx
