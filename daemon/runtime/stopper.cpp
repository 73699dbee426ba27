#include "daemon/runtime/stopper.h"

#include <fmt/format.h>

#include <asio/post.hpp>
#include <csignal>
#include <utility>

namespace pmx {
namespace {

constexpr Millis kLookEvery{50};
// A connection whose handshake is under way is in no list for a moment.
constexpr int kIdleLooks = 3;

}  // namespace

Incarnation::Incarnation() = default;
Incarnation::~Incarnation() = default;

Stopper::Stopper(const Ports& ports, std::uint64_t app_id, Incarnation& incarnation,
                 std::string token, const AppSpec& spec, StopPurpose purpose, Done done)
    : ports_(ports),
      app_id_(app_id),
      incarnation_(incarnation),
      token_(std::move(token)),
      whole_tree_(spec.treekill),
      sequence_(spec, purpose, incarnation.channel != nullptr && !incarnation.channel->closed()),
      done_(std::move(done)),
      timer_(ports.io),
      drain_timer_(ports.io) {}

void Stopper::begin() { act(sequence_.begin()); }

void Stopper::main_exited() {
  handle(StopEvent::main_exited);
  look_for_end();
}

void Stopper::channel_closed() { handle(StopEvent::channel_closed); }

void Stopper::handle(StopEvent event) {
  if (!finished_) act(sequence_.on(event));
}

void Stopper::act(const StopProgress& progress) {
  switch (progress.action) {
    case StopProgress::Action::keep_wait:
      return;
    case StopProgress::Action::done:
      finish(true, progress.reason);
      return;
    case StopProgress::Action::failed:
      finish(false, progress.reason);
      return;
    case StopProgress::Action::perform:
      perform(progress.step);
      return;
  }
}

void Stopper::perform(const StopStep& step) {
  step_ = step;
  timer_.expires_after(step.wait);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (!error && !alive.expired()) handle(StopEvent::step_timed_out);
  });
  switch (step.kind) {
    case StopStep::Kind::message:
      if (incarnation_.channel) incarnation_.channel->send_message("\"shutdown\"");
      break;
    case StopStep::Kind::disconnect:
      if (incarnation_.channel) incarnation_.channel->disconnect();
      break;
    case StopStep::Kind::drain:
      look_for_connections();
      break;
    case StopStep::Kind::signal:
      watched_.clear();
      signal_tree();
      break;
  }
  if (incarnation_.exited) look_for_end();
}

void Stopper::signal_tree() {
  for (const ProcessRef& process :
       ports_.processes.tree({incarnation_.exited ? 0 : incarnation_.pid, token_})) {
    const bool is_main = process.pid == incarnation_.pid && !incarnation_.exited;
    if (!whole_tree_ && !is_main) continue;
    if (watched_.count(process.pid) != 0) continue;
    if (step_.kind == StopStep::Kind::signal && (step_.whole_tree || is_main))
      ports_.processes.signal(process, step_.signal);
    watched_[process.pid] =
        ports_.processes.watch(process, [this, pid = process.pid, alive = std::weak_ptr(alive_)] {
          // Out of the watch's own call before it is destroyed.
          asio::post(ports_.io, [this, pid, alive] {
            if (alive.expired()) return;
            watched_.erase(pid);
            look_for_end();
          });
        });
  }
}

void Stopper::look_for_end() {
  // The main process counts as gone when its exit has been reported: only then is its status known.
  if (finished_ || !incarnation_.exited) return;
  if (whole_tree_) {
    signal_tree();
    watched_.erase(incarnation_.pid);
    if (!watched_.empty()) return;
  }
  handle(StopEvent::tree_gone);
}

void Stopper::look_for_connections() {
  if (finished_ || step_.kind != StopStep::Kind::drain) return;
  const RunId run = incarnation_.run;
  const bool idle =
      ports_.listeners.queued(app_id_, run) == 0 &&
      ports_.processes.connections({incarnation_.exited ? 0 : incarnation_.pid, token_},
                                   ports_.listeners.ports(app_id_, run)) == 0;
  idle_looks_ = idle ? idle_looks_ + 1 : 0;
  if (idle_looks_ >= kIdleLooks) {
    handle(StopEvent::drained);
    return;
  }
  drain_timer_.expires_after(kLookEvery);
  drain_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (!error && !alive.expired()) look_for_connections();
  });
}

void Stopper::finish(bool gone, const std::string& reason) {
  if (std::exchange(finished_, true)) return;
  timer_.cancel();
  watched_.clear();
  Outcome outcome{gone, reason};
  asio::post(ports_.io, [this, outcome = std::move(outcome), alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    // The owner may destroy us in this call.
    const Done done = done_;
    done(outcome);
  });
}

}  // namespace pmx
