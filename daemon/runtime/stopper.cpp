#include "daemon/runtime/stopper.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <asio/post.hpp>
#include <csignal>
#include <iterator>
#include <utility>
#include <vector>

#include "daemon/runtime/checks.h"

namespace pmx {
namespace {

constexpr Millis kLookEvery{50};
// A connection whose handshake is under way is in no list for a moment.
constexpr int kIdleLooks = 3;

}  // namespace

Stopper::Stopper(const Ports& ports, std::uint64_t app_id, Incarnation& incarnation,
                 std::string token, const AppSpec& spec, const Env& env, StopPurpose purpose,
                 Done done)
    : ports_(ports),
      app_id_(app_id),
      incarnation_(incarnation),
      token_(std::move(token)),
      whole_tree_(spec.kill_mode != KillMode::leader),
      own_session_(spec.kill_mode == KillMode::group),
      message_follows_(spec.shutdown_with_message),
      sequence_(spec, purpose, incarnation.channel != nullptr && !incarnation.channel->closed()),
      done_(std::move(done)),
      timer_(ports.io),
      drain_timer_(ports.io) {
  if (!spec.stop_command.empty()) command_ = command_question(spec, env);
  if (command_) {
    command_->probe.path = spec.stop_command;
    command_->timeout = spec.kill_timeout;
    command_->env["PMX_PID"] = std::to_string(incarnation.pid);
  }
}

TreeQuery Stopper::tree() const {
  TreeQuery query{incarnation_.exited ? 0 : incarnation_.pid, token_, incarnation_.run};
  // The session of a run has its main process' number, also when that has ended.
  if (own_session_) query.session = incarnation_.pid;
  return query;
}

void Stopper::run_command() {
  pending_command_ = ports_.prober.ask(
      *command_, [this, alive = std::weak_ptr(alive_)](const std::string& problem) {
        if (alive.expired() || problem.empty() || step_.kind != StopStep::Kind::command) return;
        ports_.log(fmt::format("stop_command of process {}: {}", incarnation_.pid, problem));
        handle(StopEvent::step_timed_out);
      });
}

void Stopper::begin() { act(sequence_.begin()); }

void Stopper::main_exited() {
  handle(StopEvent::main_exited);
  look_for_end();
}

void Stopper::channel_closed() { handle(StopEvent::channel_closed); }

void Stopper::drained() { handle(StopEvent::drained); }

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
      if (incarnation_.channel) incarnation_.channel->disconnect(message_follows_);
      break;
    case StopStep::Kind::command:
      run_command();
      break;
    case StopStep::Kind::drain:
      look_for_connections();
      break;
    case StopStep::Kind::signal:
      watched_.clear();
      if (step.signal == SIGKILL && whole_tree_ && !own_session_)
        ports_.processes.kill_at_once(incarnation_.run);
      signal_tree();
      break;
  }
  if (incarnation_.exited) look_for_end();
}

void Stopper::signal_tree() {
  for (const ProcessRef& process : ports_.processes.tree(tree())) {
    const bool is_main = process.pid == incarnation_.pid && !incarnation_.exited;
    if (!whole_tree_ && !is_main) continue;
    if (watched_.count(process.pid) != 0) continue;
    if (step_.kind == StopStep::Kind::signal && (step_.whole_tree || is_main)) {
      ports_.processes.signal(process, step_.signal);
      // A stopped process acts on nothing but SIGKILL before it goes on.
      if (step_.signal != SIGKILL) ports_.processes.signal(process, SIGCONT);
    }
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
  std::vector<std::uint64_t> connections =
      ports_.processes.connections(tree(), ports_.listeners.ports(app_id_, run));
  std::sort(connections.begin(), connections.end());
  if (!ports_.listeners.is_steered(app_id_, run)) {
    // It takes new ones to its end, and some of them will be cut whenever that is: only those that
    // it had before are worth waiting for.
    if (!first_connections_) first_connections_ = connections;
    std::vector<std::uint64_t> left;
    std::set_intersection(connections.begin(), connections.end(), first_connections_->begin(),
                          first_connections_->end(), std::back_inserter(left));
    first_connections_ = connections = std::move(left);
  }
  const bool idle = connections.empty() && ports_.listeners.queued(app_id_, run) == 0;
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
  Outcome outcome{gone, reason};
  if (!gone) {
    std::vector<pid_t> survivors;
    for (const auto& [pid, watch] : watched_) survivors.push_back(pid);
    if (!survivors.empty())
      outcome.reason += fmt::format(" (process {})", fmt::join(survivors, ", "));
  }
  watched_.clear();
  asio::post(ports_.io, [this, outcome = std::move(outcome), alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    // The owner may destroy us in this call.
    const Done done = done_;
    done(outcome);
  });
}

}  // namespace pmx
