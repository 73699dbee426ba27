// Stopper: brings one incarnation to its end by a StopSequence: sends, signals, waits for exits
// (pidfds) and deadlines. Event-driven; `done` comes in a turn of the event loop of its own, when
// the whole tree is gone or something survives SIGKILL.
#pragma once

#include <asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/policy/stop_sequence.h"
#include "daemon/runtime/incarnation.h"
#include "daemon/runtime/ports.h"

namespace pmx {

class Stopper {
 public:
  struct Outcome {
    bool gone = true;
    std::string reason;
  };
  using Done = std::function<void(const Outcome&)>;

  // `incarnation`, of app `app_id`, must outlive the Stopper. `token`: PMX_TOKEN of its processes.
  // `env`: the run's, for its stop_command.
  Stopper(const Ports& ports, std::uint64_t app_id, Incarnation& incarnation, std::string token,
          const AppSpec& spec, const Env& env, StopPurpose purpose, Done done);

  void begin();
  // The owner reports what happens to the incarnation.
  void main_exited();
  void channel_closed();
  void drained();

 private:
  void handle(StopEvent event);
  void act(const StopProgress& progress);
  void perform(const StopStep& step);
  [[nodiscard]] TreeQuery tree() const;
  void run_command();
  // Watches (and signals, as the present step says) what of the tree is not watched yet.
  void signal_tree();
  void look_for_end();
  // The kernel has no event for "the last connection of this process is gone", so while draining
  // (at most drain_timeout) it is looked at every 50 ms.
  void look_for_connections();
  void finish(bool gone, const std::string& reason);

  const Ports& ports_;
  std::uint64_t app_id_;
  Incarnation& incarnation_;
  std::string token_;
  bool whole_tree_;
  bool own_session_;
  bool message_follows_;                  // so the channel must outlast the draining
  std::optional<ProbeQuestion> command_;  // stop_command
  std::unique_ptr<PendingProbe> pending_command_;
  StopSequence sequence_;
  Done done_;
  asio::steady_timer timer_;
  asio::steady_timer drain_timer_;
  int idle_looks_ = 0;  // one after another without a connection
  // Of those that were there when the draining began; sorted.
  std::optional<std::vector<std::uint64_t>> first_connections_;
  StopStep step_;
  std::map<pid_t, std::unique_ptr<ProcessTable::Watch>> watched_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool finished_ = false;
};

}  // namespace pmx
