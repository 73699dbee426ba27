// Instance: one slot of an app with a stable id. Runs its InstanceFsm: turns effects into
// processes, signals and timers, and what happens to them into events. The only writer of its
// state.
#pragma once

#include <asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/instance_status.h"
#include "daemon/policy/dependencies.h"
#include "daemon/policy/instance_fsm.h"
#include "daemon/policy/recycle.h"
#include "daemon/policy/stop_sequence.h"
#include "daemon/runtime/first_connection.h"
#include "daemon/runtime/incarnation.h"
#include "daemon/runtime/memory_guard.h"
#include "daemon/runtime/ports.h"

namespace pmx {

class Instance {
 public:
  struct Identity {
    int pm_id = 0;
    std::uint64_t app_id = 0;
    int number = 0;  // NODE_APP_INSTANCE
    std::string unique_id;
    WallMillis created_at = 0;
  };
  // What became of its processes.
  struct Happening {
    const char* event = "";  // pm2's name for it (Logs::Event)
    std::string reason = {};
    bool by_operator = false;
    std::optional<ExitStatus> exit = {};
  };
  struct Events {
    // Whether a start that was asked for may happen now, by what its app depends on.
    std::function<StartPermit(int pm_id)> may_start;
    // How long a restart after a crash must wait for those of others.
    std::function<Duration()> wait_for_turn;
    std::function<void()> changed;  // anything a user could see
    std::function<void(int pm_id, Happening happening)> happened;
    // Its app has sent this on the channel, one JSON value, valid during the call.
    std::function<void(int pm_id, std::string_view json)> said;
    // Of a candidate: ready, or failed (why): it ended, also when it had been ready, or never became
    // ready.
    std::function<void(int pm_id)> candidate_ready;
    std::function<void(int pm_id, const std::string& why)> candidate_failed;
    // It is online again, after a time without a process.
    std::function<void(int pm_id)> came_back;
    // By the app's own settings it should be restarted now: memory, age.
    std::function<void(int pm_id, const std::string& why)> restart_due;
    // The incarnation that a candidate has replaced is gone, with its whole tree.
    std::function<void(int pm_id)> old_gone;
  };

  Instance(const Ports& ports, std::shared_ptr<const AppSpec> spec, Identity identity,
           Events events);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Opens pipes and log files. Before the first event.
  void attach_logs();
  // Takes up what the store and an earlier daemon left: `runs` are those of this instance that may
  // still exist.
  void recover(const InstanceRecord& record, std::vector<AdoptedRun> runs);

  void start();
  void stop() { handle(StopRequested{}); }
  // Stops as a reload stops the replaced one: a cluster worker finishes its connections first.
  void retire_current();
  void restart();
  // By the app's own settings. `revive`: also if it has ended by itself.
  void restart_scheduled(const std::string& why, bool revive) {
    handle(RestartScheduled{why, revive});
  }
  // A job's time has come; `what` is empty: it was missed and is left out. Times up to `settled` are
  // dealt with.
  void run_due(const std::string& what, std::chrono::sys_seconds settled);
  [[nodiscard]] std::optional<std::chrono::sys_seconds> settled_until() const noexcept {
    return settled_until_;
  }
  void reset_counters();
  // What it waits for may have changed.
  void try_gate();
  // Gives the store its present state, and the pid file.
  void record();
  void exited(const ProcessExit& exit);
  // For the next start.
  void set_spec(std::shared_ptr<const AppSpec> spec);
  // From now on nothing is recorded: what the store holds is what the next daemon shall restore.
  void freeze_record() { frozen_ = true; }

  // Reload: starts a second incarnation of `spec` beside the present one. nullopt: it runs, events
  // follow.
  std::optional<std::string> start_candidate(std::shared_ptr<const AppSpec> spec);
  // Reload without a second process: the present one retires, then one of `spec` is started in its
  // place. Events follow as for a candidate, which it is until promoted or removed.
  void replace_in_place(std::shared_ptr<const AppSpec> spec);
  // The ready candidate takes its place, the old one retires (old_gone follows). `why`: for people,
  // may be empty. False: there is no candidate, or the instance is not to run any more; nothing
  // follows.
  bool promote_candidate(const std::string& why = {});
  // Ends the candidate, if there is one. One that was started in place stays.
  void remove_candidate();

  // A program that is not Node listens, or was refused a socket (text for people).
  void now_listens(std::uint32_t generation);
  void socket_problem(const std::string& text);
  // Why its output is not written, or empty; `dropped`: bytes that are lost by that, until now.
  void log_trouble(const std::string& problem, std::uint64_t dropped);
  // Of the run that has this PMX_TOKEN, unless it is on its way out.
  [[nodiscard]] std::optional<std::uint32_t> generation_of(const std::string& token_text) const;

  // What that run was started with, unless it is on its way out: then nullptr.
  [[nodiscard]] const AppSpec* spec_to_share(std::uint32_t generation) const;

  // Actions that its app offers. A call is over with end_call(), or with its run.
  struct ActionCall {
    std::uint32_t generation;
    std::uint64_t number;
  };
  [[nodiscard]] bool offers(const std::string& action) const;
  [[nodiscard]] std::vector<std::string> offered_actions() const;
  // Nullopt: the app does not take it.
  std::optional<ActionCall> call_action(const std::string& action,
                                        const std::optional<std::string>& param);
  [[nodiscard]] bool may_answer(const ActionCall& call);
  // JSON. Nullopt: none yet.
  [[nodiscard]] std::optional<std::string> answer_of(const ActionCall& call);
  void end_call(const ActionCall& call);

  // To the stdin of its process, and to its message channel. Returns why it is not taken, or
  // nothing.
  std::string write_input(std::string_view bytes);
  std::string send_message(std::string_view json);

  // Sends a signal to the main process. False: there is none.
  bool signal(int number);

  [[nodiscard]] int pm_id() const noexcept { return identity_.pm_id; }
  [[nodiscard]] const Identity& identity() const noexcept { return identity_; }
  [[nodiscard]] const AppSpec& spec() const noexcept { return *spec_; }
  [[nodiscard]] const std::shared_ptr<const AppSpec>& shared_spec() const noexcept { return spec_; }
  [[nodiscard]] const InstancePaths& paths() const noexcept { return paths_; }
  [[nodiscard]] InstanceState state() const noexcept { return fsm_.state(); }
  [[nodiscard]] const std::string& reason() const noexcept { return fsm_.reason(); }
  // No process of it is left: neither the present nor a retiring incarnation.
  [[nodiscard]] bool quiet() const noexcept {
    return !current_ && !candidate_ && retiring_.empty();
  }
  // It stays as it is until the operator starts it.
  [[nodiscard]] bool stopped_by_operator() const noexcept { return fsm_.snapshot().by_operator; }
  // Its process has been started after `time`.
  [[nodiscard]] bool started_after(TimePoint time) const noexcept {
    return current_ && current_->started > time;
  }
  // A process of it is about to serve, or to be started.
  [[nodiscard]] bool coming() const noexcept {
    return candidate_ != nullptr || (fsm_.wants_running() && fsm_.state() != InstanceState::online);
  }
  // A job between its runs.
  [[nodiscard]] bool rests() const noexcept {
    return spec_->job && fsm_.state() == InstanceState::idle;
  }
  // A stop has come to its end, well or badly.
  [[nodiscard]] bool settled() const noexcept;
  // Why what was asked for last has not become ready in time; empty: it has, or may still.
  [[nodiscard]] const std::string& not_ready() const noexcept { return not_ready_; }
  [[nodiscard]] InstanceStatus status(bool detail) const;
  // For those that depend on it.
  [[nodiscard]] InstanceProgress progress() const;
  // nullopt: it is not meant to run.
  [[nodiscard]] std::optional<RecycleCandidate> recycle_candidate() const;

 private:
  [[nodiscard]] InstanceFsmSettings fsm_settings() const;
  [[nodiscard]] LogStyle log_style() const;
  void handle(const InstanceEvent& event);
  void perform(const InstanceEffect& effect);
  // Starts it when it may start.
  void spawn_when_permitted();
  void spawn_current();
  void spawn_after(Duration wait);
  void await_connection();
  void begin_stop();
  void sweep();
  // Online and not unhealthy: it gets its share of new connections.
  void admit_if_online();
  // What watches over a process that runs well, or no longer does.
  void update_upkeep();
  void arm_ready_timer(Millis delay);
  void arm(asio::steady_timer& timer, Millis delay, InstanceEvent event);

  void tell_online(std::string reason);
  // Spawns the next generation, or says why not.
  std::unique_ptr<Incarnation> spawn(const AppSpec& spec, Incarnation::Role role,
                                     std::string& failure);
  std::unique_ptr<Incarnation> adopt(AdoptedRun run);
  // What becomes of one that is wanted, and of which no process is left.
  enum class Next {
    go_on,      // it waits as before
    start,      // after a reboot, or when everything was killed
    run_again,  // a job's run that was about to begin
    lost,       // a job's run that ended unseen
  };
  [[nodiscard]] Next what_next(const InstanceRecord& record) const;
  void open_channel(Incarnation& incarnation, UniqueFd fd, const AppSpec& spec,
                    const std::string& note);
  // What finds out whether `incarnation` is ready and well. Throws Error.
  void add_checks(Incarnation& incarnation, const AppSpec& spec, const Env& env);
  void adopt_checks(Incarnation& incarnation, UniqueFd notify);
  void needs_longer(std::uint32_t generation, Millis longer);
  void became_unhealthy(std::uint32_t generation, const std::string& why);
  void became_ready(std::uint32_t generation);
  void message(std::uint32_t generation, std::string_view json);
  void app_message(std::uint32_t generation, AppMessage message);
  void channel_closed(std::uint32_t generation);
  void drained(std::uint32_t generation);
  void set_role(Incarnation& incarnation, Incarnation::Role role);
  void remember(const Incarnation& incarnation) const;
  // Stops `incarnation`; `done` (gone, reason) comes later.
  void end(Incarnation& incarnation, StopPurpose purpose,
           std::function<void(bool gone, const std::string& reason)> done);
  void retire(std::unique_ptr<Incarnation> incarnation, StopPurpose purpose);
  void end_retired(Incarnation& incarnation, StopPurpose purpose);
  void candidate_failed(const std::string& why);
  void arm_candidate_timer(const AppSpec& spec, bool must_be_ready);
  void watch_in_place();
  [[nodiscard]] bool is_in_place(std::uint32_t generation) const noexcept;
  Incarnation* find(std::uint32_t generation);
  [[nodiscard]] std::string token(std::uint32_t generation) const;
  [[nodiscard]] Env environment(const AppSpec& spec, std::uint32_t generation) const;

  const Ports& ports_;
  std::shared_ptr<const AppSpec> spec_;
  std::shared_ptr<const AppSpec> candidate_spec_;
  Identity identity_;
  Events events_;
  InstancePaths paths_;
  InstanceFsm fsm_;
  std::deque<InstanceEvent> inbox_;
  bool handling_ = false;
  bool frozen_ = false;
  bool ever_spawned_ = false;
  bool comes_back_ = false;  // its process is not the first one, and no successor of a reload
  std::string not_ready_;
  std::string waits_for_;  // with a start that is held back
  std::string problem_;    // why the last run did not get the socket it asked for
  std::string log_problem_;
  std::uint64_t log_dropped_ = 0;
  const char* asked_for_ = nullptr;  // start or restart: told when there is a process
  WallMillis started_at_ = 0;
  std::uint32_t generation_ = 0;  // highest used
  std::unique_ptr<Incarnation> current_;
  std::unique_ptr<Incarnation> candidate_;
  std::vector<std::unique_ptr<Incarnation>> retiring_;
  StopPurpose stop_purpose_ = StopPurpose::stop;  // of the next BeginStop
  std::uint32_t replaced_ = 0;                    // generation whose end is reported by old_gone
  std::uint32_t in_place_after_ = 0;  // later generations count as candidates; 0: none does
  bool in_place_was_ready_ = false;   // what they replace
  std::optional<FirstConnection> first_connection_;        // only while idle
  std::optional<MemoryGuard> memory_guard_;                // of guarded_
  std::uint32_t guarded_ = 0;                              // generation
  std::optional<std::chrono::sys_seconds> settled_until_;  // of a job's times
  asio::steady_timer restart_timer_;
  asio::steady_timer turn_timer_;  // with waits_for_: the start waits for its turn, not for others
  asio::steady_timer run_timer_;   // a job's timeout
  asio::steady_timer ready_timer_;
  asio::steady_timer candidate_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmx
