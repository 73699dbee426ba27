// StopSequence: how one incarnation is brought to its end, step by step. Pure: the caller performs
// each step, waits as long as the step says, and reports what happened first.
//
//   stop, restart                       SIGINT, kill_timeout, SIGKILL
//   the same, shutdown_with_message     "shutdown" over the channel, kill_timeout, SIGKILL
//   with stop_command                   that, kill_timeout, then as without
//   with stop_steps                     their signals and waits instead of SIGINT; SIGKILL
//   retire after a reload, Node worker "disconnect" over the channel; when the last connection has
//   gone the worker closes the channel (or drain_timeout passes); then one of the two above
//   retire, others that share sockets   nothing is said: new connections go elsewhere, and it waits
//   until the last one has gone (or drain_timeout passes); then one of the two above
//
// Without a channel nothing can be sent, so those steps fall back to SIGINT. Signals go to the
// whole tree, unless kill_mode is leader: then only to the main process, and its children do
// not hold up the end.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/model/app_spec.h"

namespace pmx {

// Least wait after SIGKILL before the stop counts as failed: a process with much memory needs time
// to go.
inline constexpr Millis kLeastWaitAfterKill{5'000};

enum class StopPurpose {
  stop,    // stop, restart, delete: as pm2, a signal at once
  retire,  // replaced by a ready successor: drains first
};

struct StopStep {
  enum class Kind {
    message,     // send the text "shutdown" to the app
    disconnect,  // send Node's internal disconnect: finish connections, then close the channel
    command,     // run the app's stop_command; if that fails, the wait is over
    drain,       // do nothing; look whether it still has connections
    signal,      // send `signal`, and SIGCONT behind it: a stopped process acts on none before
  };
  Kind kind = Kind::signal;
  int signal = 0;
  bool whole_tree = false;  // of `signal`: to all members of the tree, else only the main process
  Millis wait{0};           // for the end, then the next step

  friend bool operator==(const StopStep&, const StopStep&) = default;
};

enum class StopEvent {
  step_timed_out,  // the wait of the step performed last is over
  channel_closed,
  drained,  // it has no connections any more; of a disconnect: the channel is still open
  main_exited,
  tree_gone,  // the main process and every descendant; with kill_mode leader main_exited is enough
};

// What the caller does now.
struct StopProgress {
  enum class Action {
    perform,    // cancel the running wait, perform `step`, wait `step.wait`
    keep_wait,  // nothing; the running wait goes on
    done,       // the stop is finished
    failed,     // something survived SIGKILL
  };
  Action action = Action::keep_wait;
  StopStep step;
  std::string reason;
};

class StopSequence {
 public:
  StopSequence(const AppSpec& spec, StopPurpose purpose, bool has_channel);

  [[nodiscard]] const std::vector<StopStep>& steps() const noexcept { return steps_; }

  // The first step. Call it once.
  StopProgress begin();
  // Answers every event at any time; after done or failed always the same.
  StopProgress on(StopEvent event);

 private:
  StopProgress perform_next(const std::string& why);
  StopProgress finish(StopProgress::Action action, std::string reason);
  StopProgress on_timeout();
  StopProgress on_channel_closed();
  StopProgress on_main_exited();

  bool whole_tree_;
  std::vector<StopStep> steps_;
  std::size_t next_ = 0;  // steps_[next_ - 1] is being waited for
  bool main_gone_ = false;
  StopProgress end_;  // once finished
  bool finished_ = false;
};

}  // namespace pmx
