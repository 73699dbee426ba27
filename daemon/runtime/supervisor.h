// Supervisor: owns every app and instance; the only door for changes. Methods that are coroutines
// return when what was asked for has happened, or throw pmx::Error. Ids are looked up again after
// each suspension: an instance may be deleted meanwhile.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/effect.h"
#include "common/model/instance_status.h"
#include "daemon/policy/dependencies.h"
#include "daemon/policy/start_rate.h"
#include "daemon/runtime/app_upkeep.h"
#include "daemon/runtime/app_watch.h"
#include "daemon/runtime/async.h"
#include "daemon/runtime/instance.h"
#include "daemon/runtime/ports.h"
#include "daemon/runtime/task_group.h"

namespace pmx {

class RollingReload;

class Supervisor {
 public:
  using Progress = std::function<void(int pm_id, const std::string& name, const std::string& text)>;

  struct StartOutcome {
    std::string name;
    std::string error;  // empty: as wished
    std::string hint;
    bool restarted = false;
    std::vector<int> pm_ids;
  };
  struct ScaleOutcome {
    std::vector<int> added;
    std::vector<int> removed;
  };
  struct ReloadOptions {
    std::optional<Env> env;                    // merged over the apps' environment
    std::shared_ptr<const AppSpec> spec = {};  // instead of the app's; only for one app
    int parallel = 0;                          // > 0: instead of the apps' max_surge
    std::optional<bool> rollback;              // instead of the apps'
    std::string why = {};                      // it is done, for people; empty: it was asked for
  };
  // New settings of an app, and how it comes to them.
  struct Change {
    AppSpec spec;
    Effect effect = Effect::start;
    std::string renames = {};  // as in protocol::Apply
  };
  struct ApplyOptions {
    std::vector<std::string> remove;  // names, before everything else
    bool autostart = true;            // of what is new
    bool wait = true;                 // until each instance is ready, or has failed to be
    int parallel = 0;                 // as in ReloadOptions
    std::optional<bool> rollback;
  };
  struct LogFile {
    int pm_id = 0;
    const AppSpec* spec = nullptr;  // until the next suspension
    InstancePaths paths;
  };
  // Something that became of a process, or was said by one, and its number among all. As Logs::Event.
  struct ProcessEvent {
    std::uint64_t number = 0;
    int pm_id = 0;
    std::string name;
    std::string name_space;
    const char* event = "";
    WallMillis at = 0;
    std::string reason = {};
    bool by_operator = false;
    std::string message = {};
    std::shared_ptr<const InstanceStatus> instance = {};  // none unless somebody listens
  };

  explicit Supervisor(Ports ports);
  ~Supervisor();

  // Takes up what the store and an earlier daemon left. Before anything else.
  void recover(const StoredState& state, std::vector<AdoptedRun> runs);

  // Ids of a target, ascending. Throws Error(not_found), with what does exist as a hint.
  [[nodiscard]] std::vector<int> select(const std::string& target) const;
  [[nodiscard]] std::vector<int> all_ids() const;
  // Store::trouble().
  [[nodiscard]] std::string store_trouble() const { return ports_.store.trouble(); }
  [[nodiscard]] std::vector<InstanceStatus> status(const std::vector<int>& pm_ids,
                                                   bool detail) const;
  [[nodiscard]] std::vector<LogFile> log_files(const std::vector<int>& pm_ids) const;
  // While somebody holds this, events() has what apps send on their channels, too.
  [[nodiscard]] std::shared_ptr<const bool> listen() const noexcept { return listeners_; }
  // The last ones, numbered from 1 on without a gap, of a bounded size.
  [[nodiscard]] const std::deque<ProcessEvent>& events() const noexcept { return events_; }
  [[nodiscard]] std::uint64_t last_event() const noexcept { return last_event_; }

  // `replace`: an app of that name gets the new spec and is restarted. `wait`: until each instance is
  // ready, or has failed to be.
  awaitable<std::vector<StartOutcome>> start(std::vector<AppSpec> specs, bool force, bool autostart,
                                             bool replace, bool wait = true);
  // All specs are checked before anything is done. One outcome for each change, in order of the
  // dependencies; one that fails does not keep the others from being done.
  awaitable<std::vector<StartOutcome>> apply(std::vector<Change> changes, ApplyOptions options,
                                             Progress progress);
  awaitable<void> stop(std::vector<int> pm_ids);
  // `env` is merged over the apps' environment.
  awaitable<void> restart(std::vector<int> pm_ids, std::optional<Env> env, bool wait = true);
  // Rolling for online cluster instances, one app after another, a restart for the others; returns
  // what was done, in words. The first failure ends it; see ReloadPlan. Throws Error(busy) if one of
  // the apps is being reloaded already; stop, restart, delete and scale end a reload of their app.
  awaitable<std::vector<std::string>> reload(std::vector<int> pm_ids, ReloadOptions options,
                                             Progress progress);
  awaitable<void> remove(std::vector<int> pm_ids);
  // What goes finishes its connections first, as in a reload.
  awaitable<ScaleOutcome> scale(std::string name, int count, bool relative);
  void reset(const std::vector<int>& pm_ids);
  // Gives the store everything again: it has lost its file.
  void record_all();
  // Throws Error(not_found) if none of them runs.
  void signal(const std::vector<int>& pm_ids, int number);
  // What became of an action that an instance was asked for.
  struct ActionOutcome {
    int pm_id = 0;
    std::string name;
    std::string name_space;
    std::string json;   // the answer
    std::string error;  // why there is none
  };
  // Has those run the action that offer it; waits for the answers for at most `timeout`. Throws
  // Error(not_found) if none does.
  awaitable<std::vector<ActionOutcome>> call_action(std::vector<int> pm_ids, std::string action,
                                                    std::optional<std::string> param,
                                                    Millis timeout);
  // To the stdin of an instance (at most kMaxInputBytes), and to its message channel. Throw
  // Error(busy): it does not take it.
  void write_input(int pm_id, std::string_view bytes);
  void send_message(int pm_id, std::string_view json);
  // What a program that asks for a socket, or listens, is. nullopt: no run of ours has this token.
  struct Asker {
    std::uint64_t app_id = 0;
    RunId run;
    Balance balance = Balance::shared;
  };
  [[nodiscard]] std::optional<Asker> asker(const std::string& token) const;
  // The same for a run that binds this port; nullopt also if the app wants to keep that to itself.
  [[nodiscard]] std::optional<Asker> asker(RunId run, int port) const;
  void now_listens(RunId run);
  void socket_problem(RunId run, const std::string& text);
  // As Instance::log_trouble.
  void log_trouble(int pm_id, const std::string& problem, std::uint64_t dropped);

  // Stops everything; returns how many instances ran. `forget`: the next daemon starts empty, else
  // it starts what ran.
  awaitable<int> shut_down(bool forget);

  // Until anything that a user could see has changed.
  awaitable<void> changed() { return changed_.wait(); }
  // Until an app has said something that events() has.
  awaitable<void> heard() { return heard_.wait(); }

 private:
  friend class RollingReload;

  struct App {
    std::uint64_t id = 0;
    std::shared_ptr<const AppSpec> spec;
    std::set<int> members;
    std::unique_ptr<AppUpkeep> upkeep;
    std::unique_ptr<AppWatch> watch;  // while it is to be restarted when files change
  };

  Instance* find(int pm_id);
  [[nodiscard]] const Instance* find(int pm_id) const;
  void end_unknown(const AdoptedRun& run, bool list_is_whole);
  App* app_of(int pm_id);
  App& add_app(AppSpec spec);
  Instance& add_instance(App& app, Instance::Identity identity);
  Instance& new_instance(App& app);
  int free_number(const App& app) const;
  int next_pm_id();
  // Throws Error if that name is taken, or other apps need the present one.
  void check_rename(const std::string& from, const std::string& to);
  // Its files are those of `wanted`.
  void rename(const std::string& from, const AppSpec& wanted);
  void change_spec(App& app, std::shared_ptr<const AppSpec> spec);
  void merge_env(const std::vector<int>& pm_ids, const Env& env);
  void check_env(const std::vector<int>& pm_ids, const std::optional<Env>& env);
  void close_unused_listeners(App& app);
  // Connections must not wait for somebody who does not come.
  void tend_listeners(const App& app);
  // By its app's settings: without a gap if instances share ports, else by a restart. What runs
  // since later than `cause` is left alone. `revive`: what has ended by itself, too. False: a reload
  // is in progress.
  bool restart_all_when_due(std::uint64_t app_id, const std::string& why,
                            TimePoint cause = TimePoint::max(), bool revive = true);
  awaitable<void> replace(std::vector<int> pm_ids, std::string why);
  // Takes over the settings of `app`'s spec for its upkeep.
  void update_upkeep(App& app);
  // Begins or ends the watch of `app`'s files, as its settings and instances ask for.
  void update_watch(App& app);
  // Begins those anew that had a problem: it may be over.
  void renew_watches(const std::vector<int>& pm_ids);
  awaitable<void> wait_for_watches(std::vector<int> pm_ids);
  void reload_ended(std::uint64_t app_id);
  void restart_when_due(int pm_id, const std::string& why);
  Instance* only_instance(std::uint64_t app_id);
  void rotate_logs(std::uint64_t app_id);
  [[nodiscard]] bool somebody_listens() const noexcept { return listeners_.use_count() > 1; }
  void note_event(int pm_id, Instance::Happening happening);
  void note_message(int pm_id, std::string_view json);
  void keep_event(ProcessEvent event);
  [[nodiscard]] StartPermit may_start(int pm_id);
  void try_gates_soon();
  void restart_dependents_soon(int pm_id);
  [[nodiscard]] DependencyGraph dependencies() const;
  // Each behind what it depends on. Throws Error(invalid_spec): an app that is not there, a cycle.
  [[nodiscard]] std::vector<AppSpec> in_start_order(std::vector<AppSpec> specs) const;
  // Each before what it depends on.
  awaitable<void> stop_in_order(std::vector<int> pm_ids);
  awaitable<void> wait_for_end(std::vector<int> pm_ids);
  RollingReload* reload_of(std::uint64_t app_id) const;
  void cancel_reloads(const std::vector<int>& pm_ids, const std::string& why);
  void refuse_second_reload(const std::vector<int>& pm_ids);
  void on_exit(const ProcessExit& exit);
  [[noreturn]] static void refuse_ambiguous(const std::string& name, const App& one,
                                            const App& other);
  // nullptr: none. Throws Error(invalid_request) if there are several: a name may be given twice.
  App* app_named(const std::string& name);
  awaitable<StartOutcome> apply_one(Change change, const ApplyOptions& options, Progress progress);
  // `start_new`: of what is added.
  awaitable<ScaleOutcome> fit_size(std::uint64_t app_id, int count, bool start_new);
  void check_all(const std::vector<AppSpec>& specs) const;
  // Of instances that are not as their start should have made them; `known`: not of these.
  void add_problems(std::vector<StartOutcome>& outcomes, const std::set<int>& known = {}) const;
  StartOutcome begin_start(AppSpec spec, bool force, bool autostart, bool replace);
  StartOutcome start_again(App& app, AppSpec spec, bool autostart);
  void resize(App& app, int count, bool start_new, ScaleOutcome& outcome);
  [[nodiscard]] bool any_running(const App& app) const;

  // Until each of these instances that still exists satisfies the condition.
  template <class Predicate>
  awaitable<void> wait_for(std::vector<int> pm_ids, Predicate predicate);
  awaitable<void> committed();
  awaitable<void> wait_until_stopped(std::vector<int> pm_ids);
  awaitable<void> drain_and_drop(std::vector<int> pm_ids);
  [[noreturn]] void throw_not_sent(int pm_id, const std::string& problem) const;
  void throw_unless_stopped(const std::vector<int>& pm_ids) const;

  Ports ports_;
  Condition changed_;
  std::map<std::uint64_t, App> apps_;
  std::map<int, std::unique_ptr<Instance>> instances_;
  Condition heard_;
  std::deque<ProcessEvent> events_;
  std::size_t events_bytes_ = 0;
  std::uint64_t last_event_ = 0;
  std::shared_ptr<const bool> listeners_ = std::make_shared<const bool>(true);
  std::uint64_t last_app_id_ = 0;
  int last_pm_id_ = -1;
  bool shutting_down_ = false;
  bool recovering_ = false;     // an app may not have all its instances yet
  bool someone_waits_ = false;  // with a start that is held back
  bool gates_due_ = false;
  StartRate start_rate_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  TaskGroup replacements_;            // begun by upkeep
  std::set<RollingReload*> reloads_;  // in progress or waiting for their turn, at most one per app
};

}  // namespace pmx
