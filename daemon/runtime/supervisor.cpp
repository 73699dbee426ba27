#include "daemon/runtime/supervisor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <utility>

#include "common/base/error.h"
#include "common/model/door.h"
#include "daemon/policy/increment_var.h"
#include "daemon/policy/selector.h"
#include "daemon/runtime/reload.h"
#include "daemon/runtime/wait.h"

namespace pmx {
namespace {

// Restarts after crashes: a shared cause must not make a machine busy with starts alone.
constexpr int kRestartsAtOnce = 32;
constexpr Millis kRestartInterval{25};

}  // namespace

Supervisor::Supervisor(Ports ports)
    : ports_(std::move(ports)),
      changed_(ports_.io),
      heard_(ports_.io),
      start_rate_(kRestartsAtOnce, kRestartInterval),
      replacements_(ports_.io, [this](const std::string& task, const std::string& what) {
        ports_.log(fmt::format("{}: {}", task, what));
      }) {
  ports_.spawner.on_exit([this](const ProcessExit& exit) { on_exit(exit); });
}

Supervisor::~Supervisor() = default;

void Supervisor::recover(const StoredState& state, std::vector<AdoptedRun> runs) {
  recovering_ = true;
  for (const std::string& remark : state.remarks) ports_.log(remark);
  for (const AppRecord& record : state.apps) {
    App& app = apps_[record.id];
    app.id = record.id;
    app.spec = std::make_shared<const AppSpec>(record.spec);
    last_app_id_ = std::max(last_app_id_, record.id);
  }
  for (const InstanceRecord& record : state.instances) {
    const auto app = apps_.find(record.app_id);
    if (app == apps_.end()) continue;
    last_pm_id_ = std::max(last_pm_id_, record.pm_id);
    std::vector<AdoptedRun> mine;
    for (AdoptedRun& run : runs) {
      if (run.run.pm_id == record.pm_id) mine.push_back(std::move(run));
    }
    std::erase_if(runs, [&](const AdoptedRun& run) { return run.run.pm_id == record.pm_id; });
    for (const AdoptedRun& run : mine) {
      if (role_in_note(run.note) == Incarnation::Role::candidate)
        ports_.log(
            fmt::format("{0}: a reload was cut short when the daemon ended: {1} keeps its old "
                        "process, the new one is ended; `pmx reload {0}` does it again",
                        app->second.spec->name, record.pm_id));
    }
    Instance& instance = add_instance(app->second, {record.pm_id, record.app_id, record.number,
                                                    record.unique_id, record.created_at});
    try {
      instance.recover(record, std::move(mine));
    } catch (const std::exception& error) {
      ports_.log(fmt::format("{} ({}) could not be taken up: {}", instance.spec().name,
                             record.pm_id, error.what()));
    }
  }
  std::erase_if(apps_, [](const auto& entry) { return entry.second.members.empty(); });
  recovering_ = false;
  for (auto& [id, app] : apps_) {
    tend_listeners(app);
    try {
      update_upkeep(app);
    } catch (const std::exception& error) {
      ports_.log(fmt::format("{}: {}", app.spec->name, error.what()));
    }
    update_watch(app);
  }
  for (const AdoptedRun& run : runs) end_unknown(run, !state.is_new && state.remarks.empty());
}

void Supervisor::end_unknown(const AdoptedRun& run, bool list_is_whole) {
  if (run.exit) {
    ports_.spawner.forget(run.run);
    return;
  }
  if (!list_is_whole) {
    ports_.log(fmt::format("process {} belongs to no known app (id {}); it is left alone",
                           run.process.pid, run.run.pm_id));
    return;
  }
  // The daemon died before the start was recorded, so nobody was told that it has succeeded.
  ports_.log(fmt::format("process {} was being started when the daemon died; it is ended",
                         run.process.pid));
  for (const ProcessRef& process : ports_.processes.tree({run.process.pid, "-", run.run})) {
    ports_.processes.signal(process, SIGKILL);
  }
  ports_.spawner.forget(run.run);
}

// --- Looking ---

Instance* Supervisor::find(int pm_id) {
  const auto found = instances_.find(pm_id);
  return found != instances_.end() ? found->second.get() : nullptr;
}

const Instance* Supervisor::find(int pm_id) const {
  const auto found = instances_.find(pm_id);
  return found != instances_.end() ? found->second.get() : nullptr;
}

Supervisor::App* Supervisor::app_of(int pm_id) {
  const Instance* instance = find(pm_id);
  if (instance == nullptr) return nullptr;
  const auto found = apps_.find(instance->identity().app_id);
  return found != apps_.end() ? &found->second : nullptr;
}

std::vector<int> Supervisor::all_ids() const {
  std::vector<int> ids;
  for (const auto& [id, instance] : instances_) ids.push_back(id);
  return ids;
}

std::vector<int> Supervisor::select(const std::string& target) const {
  const Selector selector = Selector::parse(target);
  std::vector<SelectorTarget> targets;
  for (const auto& [id, instance] : instances_) {
    const AppSpec& spec = instance->spec();
    targets.push_back({id, spec.name, spec.name_space, spec.script});
  }
  std::vector<int> ids = selector.resolve(targets, "");
  if (!ids.empty()) return ids;
  if (instances_.empty())
    throw Error(ErrorCode::not_found,
                fmt::format("no app matches \"{}\": none is managed here", target));
  std::set<std::string> names;
  for (const auto& [id, instance] : instances_) names.insert(instance->spec().name);
  constexpr std::size_t kShown = 8;
  std::vector<std::string> shown(names.begin(), names.end());
  const bool more = shown.size() > kShown;
  if (more) shown.resize(kShown);
  throw Error(ErrorCode::not_found,
              fmt::format("no name, script, namespace or id matches \"{}\"", target),
              fmt::format("there is: {}{}", fmt::join(shown, ", "), more ? ", ..." : ""));
}

std::vector<InstanceStatus> Supervisor::status(const std::vector<int>& pm_ids, bool detail) const {
  std::vector<InstanceStatus> statuses;
  for (const int id : pm_ids) {
    const Instance* instance = find(id);
    if (instance == nullptr) continue;
    statuses.push_back(instance->status(detail));
    const App& app = apps_.at(instance->identity().app_id);
    if (app.upkeep && !instance->stopped_by_operator()) {
      if (const auto next = app.upkeep->next_time())
        statuses.back().next_run = std::chrono::milliseconds(next->time_since_epoch()).count();
    }
    if (!app.watch || instance->stopped_by_operator()) continue;
    statuses.back().watching = app.watch->begun();
    statuses.back().watch_problem = app.watch->problem();
  }
  return statuses;
}

// --- Apps and instances ---

Supervisor::App& Supervisor::add_app(AppSpec spec) {
  App& app = apps_[++last_app_id_];
  app.id = last_app_id_;
  app.spec = std::make_shared<const AppSpec>(std::move(spec));
  ports_.store.put_app({app.id, *app.spec});
  update_upkeep(app);
  return app;
}

int Supervisor::next_pm_id() {
  // As pm2: never reused until the list is empty.
  if (instances_.empty()) last_pm_id_ = -1;
  return ++last_pm_id_;
}

int Supervisor::free_number(const App& app) const {
  std::set<int> used;
  for (const auto& [id, instance] : instances_) {
    // pm2 counts per name, also across copies made by force.
    if (instance->spec().name == app.spec->name) used.insert(instance->identity().number);
  }
  int number = 0;
  while (used.count(number) != 0) ++number;
  return number;
}

Instance& Supervisor::add_instance(App& app, Instance::Identity identity) {
  const int id = identity.pm_id;
  const std::uint64_t app_id = app.id;
  Instance::Events events;
  events.may_start = [this](int pm_id) { return may_start(pm_id); };
  events.wait_for_turn = [this] { return start_rate_.wait_for_next(ports_.clock.now()); };
  events.changed = [this, app_id] {
    changed_.notify_all();
    try_gates_soon();
    const auto found = apps_.find(app_id);
    if (found == apps_.end()) return;
    tend_listeners(found->second);
    if (found->second.upkeep) found->second.upkeep->instances_changed();
    update_watch(found->second);
  };
  events.happened = [this](int pm_id, Instance::Happening happening) {
    note_event(pm_id, std::move(happening));
  };
  events.said = [this](int pm_id, std::string_view json) { note_message(pm_id, json); };
  events.candidate_ready = [this, app_id](int pm_id) {
    if (RollingReload* reload = reload_of(app_id)) reload->ready(pm_id);
  };
  events.candidate_failed = [this, app_id](int pm_id, const std::string& why) {
    if (RollingReload* reload = reload_of(app_id)) reload->failed(pm_id, why);
  };
  events.came_back = [this](int pm_id) { restart_dependents_soon(pm_id); };
  events.restart_due = [this](int pm_id, const std::string& why) { restart_when_due(pm_id, why); };
  events.old_gone = [this, app_id](int pm_id) {
    RollingReload* reload = reload_of(app_id);
    note_event(pm_id, {"reload", reload != nullptr ? reload->why() : "", true});
    if (reload != nullptr) reload->gone(pm_id);
  };
  auto instance =
      std::make_unique<Instance>(ports_, app.spec, std::move(identity), std::move(events));
  app.members.insert(id);
  return *(instances_[id] = std::move(instance));
}

Instance& Supervisor::new_instance(App& app) {
  const int number = free_number(app);
  const int id = next_pm_id();
  Instance& instance =
      add_instance(app, {id, app.id, number, ports_.new_unique_id(), ports_.clock.wall_now()});
  instance.attach_logs();
  return instance;
}

void Supervisor::change_spec(App& app, std::shared_ptr<const AppSpec> spec) {
  app.spec = std::move(spec);
  ports_.store.put_app({app.id, *app.spec});
  for (const int id : app.members) find(id)->set_spec(app.spec);
  update_upkeep(app);
  update_watch(app);
}

void Supervisor::check_env(const std::vector<int>& pm_ids, const std::optional<Env>& env) {
  if (!env) return;
  for (const int id : pm_ids) {
    const App* app = app_of(id);
    if (app == nullptr || env->count(app->spec->increment_var) == 0) continue;
    AppSpec changed;
    changed.increment_var = app->spec->increment_var;
    changed.env = *env;
    const std::string problem = increment_var_problem(changed);
    if (!problem.empty())
      throw Error(ErrorCode::invalid_spec, fmt::format("app \"{}\": {}", app->spec->name, problem));
  }
}

void Supervisor::merge_env(const std::vector<int>& pm_ids, const Env& env) {
  std::set<std::uint64_t> done;
  for (const int id : pm_ids) {
    App* app = app_of(id);
    if (app == nullptr || !done.insert(app->id).second) continue;
    auto spec = std::make_shared<AppSpec>(*app->spec);
    merge_shell(*spec, env);
    change_spec(*app, std::move(spec));
  }
}

bool Supervisor::any_running(const App& app) const {
  return std::any_of(app.members.begin(), app.members.end(), [this](int id) {
    const InstanceState state = find(id)->state();
    return state != InstanceState::stopped && state != InstanceState::errored;
  });
}

void Supervisor::close_unused_listeners(App& app) {
  if (!any_running(app)) ports_.listeners.close_app(app.id);
}

void Supervisor::tend_listeners(const App& app) {
  if (recovering_) return;
  const auto any = [&](auto condition) {
    return std::any_of(app.members.begin(), app.members.end(),
                       [&](int id) { return condition(*find(id)); });
  };
  if (!any_running(app) && !any([](const Instance& one) { return !one.quiet(); })) {
    ports_.listeners.close_app(app.id);
  } else {
    ports_.listeners.expect_runs(app.id, any([](const Instance& one) { return one.coming(); }));
  }
}

void Supervisor::on_exit(const ProcessExit& exit) {
  Instance* instance = find(exit.run.pm_id);
  if (instance != nullptr) {
    instance->exited(exit);
  } else {
    ports_.spawner.forget(exit.run);
  }
}

awaitable<void> Supervisor::committed() {
  auto done = std::make_shared<bool>(false);
  auto condition = std::make_shared<Condition>(ports_.io);
  ports_.store.commit([done, condition] {
    *done = true;
    condition->notify_all();
  });
  while (!*done) co_await condition->wait();
}

// --- Stop, restart, delete ---

awaitable<void> Supervisor::stop(std::vector<int> pm_ids) {
  cancel_reloads(pm_ids, "the app is being stopped");
  co_await stop_in_order(pm_ids);
  co_await wait_until_stopped(pm_ids);
}

awaitable<void> Supervisor::wait_for_end(std::vector<int> pm_ids) {
  const auto has_ended = [](const Instance& instance) {
    return instance.settled() && (instance.quiet() || instance.state() == InstanceState::errored);
  };
  co_await wait_for(std::move(pm_ids), has_ended);
}

awaitable<void> Supervisor::wait_until_stopped(std::vector<int> pm_ids) {
  co_await wait_for_end(pm_ids);
  for (const int id : pm_ids) {
    if (App* app = app_of(id)) close_unused_listeners(*app);
  }
  co_await committed();
  throw_unless_stopped(pm_ids);
}

void Supervisor::throw_unless_stopped(const std::vector<int>& pm_ids) const {
  for (const int id : pm_ids) {
    const Instance* instance = find(id);
    if (instance != nullptr && !instance->quiet() && instance->state() == InstanceState::errored) {
      throw Error(
          ErrorCode::timeout,
          fmt::format("{} ({}): {}", instance->spec().name, id, instance->reason()),
          "a process in an uninterruptible wait ends when its device or file system answers");
    }
  }
}

awaitable<void> Supervisor::restart(std::vector<int> pm_ids, std::optional<Env> env, bool wait) {
  check_env(pm_ids, env);
  cancel_reloads(pm_ids, "the app is being restarted");
  if (env) merge_env(pm_ids, *env);
  renew_watches(pm_ids);
  for (const int id : pm_ids) {
    Instance* instance = find(id);
    if (instance == nullptr) continue;
    // A job is run by hand when it alone is meant: "restart all" is about what runs.
    if (pm_ids.size() == 1 || !instance->rests()) instance->restart();
  }
  if (wait) co_await wait_for(pm_ids, is_settled);
  co_await wait_for_watches(pm_ids);
  co_await committed();
  for (const int id : pm_ids) {
    const Instance* instance = find(id);
    if (instance == nullptr) continue;
    const bool failed = instance->state() == InstanceState::errored;
    if (failed || !instance->not_ready().empty()) {
      throw Error(failed ? ErrorCode::spawn_failed : ErrorCode::not_ready,
                  fmt::format("{} ({}): {}", instance->spec().name, id,
                              failed ? instance->reason() : instance->not_ready()));
    }
  }
}

awaitable<void> Supervisor::drain_and_drop(std::vector<int> pm_ids) {
  auto left = std::make_shared<std::size_t>(pm_ids.size());
  auto condition = std::make_shared<Condition>(ports_.io);
  for (const int id : pm_ids) {
    // What the app has printed to the last moment reaches its files before the pipes go.
    ports_.logs.detach(id, [left, condition] {
      --*left;
      condition->notify_all();
    });
  }
  while (*left != 0) co_await condition->wait();
  for (const int id : pm_ids) {
    App* app = app_of(id);
    if (app == nullptr) continue;
    ports_.store.put_file(find(id)->paths().pid, std::nullopt);
    ports_.store.remove_instance(id);
    ports_.spawner.close_output(id);
    note_event(id, {"delete", "", true});
    app->members.erase(id);
    instances_.erase(id);
    if (app->members.empty()) {
      ports_.listeners.close_app(app->id);
      ports_.store.remove_app(app->id);
      apps_.erase(app->id);
    }
  }
  changed_.notify_all();
}

awaitable<void> Supervisor::remove(std::vector<int> pm_ids) {
  co_await stop(pm_ids);
  co_await drain_and_drop(pm_ids);
  co_await committed();
}

void Supervisor::reset(const std::vector<int>& pm_ids) {
  for (const int id : pm_ids) {
    if (Instance* instance = find(id)) instance->reset_counters();
  }
}

void Supervisor::record_all() {
  for (const auto& [id, app] : apps_) ports_.store.put_app({id, *app.spec});
  for (const auto& [id, instance] : instances_) instance->record();
}

std::optional<Supervisor::Asker> Supervisor::asker(const std::string& token) const {
  int pm_id = -1;
  std::from_chars(token.data(), token.data() + token.size(), pm_id);
  const Instance* instance = find(pm_id);
  const auto generation =
      instance != nullptr ? instance->generation_of(token) : std::optional<std::uint32_t>();
  if (!generation) return std::nullopt;
  return Asker{instance->identity().app_id, {pm_id, *generation}, instance->spec().balance};
}

std::optional<Supervisor::Asker> Supervisor::asker(RunId run, int port) const {
  const Instance* instance = find(run.pm_id);
  const AppSpec* spec = instance != nullptr ? instance->spec_to_share(run.generation) : nullptr;
  if (spec == nullptr || !may_share_port(*spec, port)) return std::nullopt;
  return Asker{instance->identity().app_id, run, spec->balance};
}

void Supervisor::now_listens(RunId run) {
  if (Instance* instance = find(run.pm_id)) instance->now_listens(run.generation);
}

void Supervisor::socket_problem(RunId run, const std::string& text) {
  if (Instance* instance = find(run.pm_id)) instance->socket_problem(text);
}

void Supervisor::signal(const std::vector<int>& pm_ids, int number) {
  bool any = false;
  for (const int id : pm_ids) {
    Instance* instance = find(id);
    any = (instance != nullptr && instance->signal(number)) || any;
  }
  if (!any)
    throw Error(ErrorCode::not_found, "no process is running there", "`pmx list` shows what runs");
}

awaitable<int> Supervisor::shut_down(bool forget) {
  shutting_down_ = true;
  keep_event({0, -1, "", "", "kill", ports_.clock.wall_now()});
  changed_.notify_all();
  int running = 0;
  for (const auto& [id, instance] : instances_) {
    if (!instance->quiet()) ++running;
    if (!forget) instance->freeze_record();
  }
  const std::vector<int> ids = all_ids();
  try {
    co_await stop(ids);
  } catch (const Error& error) {
    ports_.log(error.what());  // what does not end cannot keep the daemon
  }
  co_await replacements_.join();
  if (forget) {
    co_await drain_and_drop(ids);
    co_await committed();
  }
  co_return running;
}

}  // namespace pmx
