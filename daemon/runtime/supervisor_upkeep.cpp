// Supervisor: restarts that an app's own settings ask for.
#include <fmt/format.h>

#include <utility>

#include "common/base/error.h"
#include "common/model/door.h"
#include "daemon/runtime/reload.h"
#include "daemon/runtime/supervisor.h"

namespace pmx {

void Supervisor::update_upkeep(App& app) {
  const bool wanted = !app.spec->cron_restart.empty() || app.spec->max_uptime > Millis{0} ||
                      !app.spec->log_limits.interval.empty() ||
                      (app.spec->job && !app.spec->job->schedule.empty());
  if (!wanted) {
    app.upkeep.reset();
    return;
  }
  if (!app.upkeep) {
    AppUpkeep::Actions actions;
    actions.restart_all = [this, id = app.id](const std::string& why) {
      restart_all_when_due(id, why);
    };
    actions.restart_one = [this](int pm_id, const std::string& why) {
      restart_when_due(pm_id, why);
    };
    actions.rotate_logs = [this, id = app.id] { rotate_logs(id); };
    actions.run_due = [this, id = app.id](const std::string& what, std::chrono::sys_seconds until) {
      if (Instance* job = only_instance(id); job != nullptr && !shutting_down_)
        job->run_due(what, until);
    };
    actions.settled = [this, id = app.id]() -> std::optional<std::chrono::sys_seconds> {
      const Instance* job = only_instance(id);
      return job != nullptr ? job->settled_until() : std::nullopt;
    };
    actions.candidates = [this, id = app.id] {
      std::vector<RecycleCandidate> candidates;
      const auto found = apps_.find(id);
      if (found == apps_.end()) return candidates;
      for (const int pm_id : found->second.members) {
        const Instance* instance = find(pm_id);
        if (instance == nullptr) continue;
        if (const auto candidate = instance->recycle_candidate()) candidates.push_back(*candidate);
      }
      return candidates;
    };
    app.upkeep = std::make_unique<AppUpkeep>(ports_, std::move(actions));
  }
  app.upkeep->configure(*app.spec);
}

Instance* Supervisor::only_instance(std::uint64_t app_id) {
  const auto found = apps_.find(app_id);
  if (found == apps_.end() || found->second.members.empty()) return nullptr;
  return find(*found->second.members.begin());
}

void Supervisor::restart_when_due(int pm_id, const std::string& why) {
  Instance* instance = find(pm_id);
  if (instance == nullptr || shutting_down_) return;
  // A reload of the app replaces it soon; if that fails, the cause comes up again.
  if (reload_of(instance->identity().app_id) != nullptr) return;
  ports_.log(fmt::format("{} ({}): {}", instance->spec().name, pm_id, why));
  if (shares_sockets(instance->spec())) {
    replacements_.spawn(fmt::format("{} ({}) could not be replaced", instance->spec().name, pm_id),
                        replace({pm_id}, why));
  } else {
    instance->restart_scheduled(why, false);
  }
}

bool Supervisor::restart_all_when_due(std::uint64_t app_id, const std::string& why, TimePoint cause,
                                      bool revive) {
  const auto found = apps_.find(app_id);
  if (found == apps_.end() || shutting_down_) return true;
  if (reload_of(app_id) != nullptr) return false;
  const App& app = found->second;
  std::vector<int> rolling;
  std::vector<int> plain;
  for (const int pm_id : app.members) {
    const Instance& instance = *find(pm_id);
    if (instance.started_after(cause)) continue;
    const bool rolls = shares_sockets(instance.spec()) && instance.state() == InstanceState::online;
    (rolls ? rolling : plain).push_back(pm_id);
  }
  if (rolling.empty() && plain.empty()) return true;
  ports_.log(fmt::format("{}: {}", app.spec->name, why));
  for (const int pm_id : plain) find(pm_id)->restart_scheduled(why, revive);
  if (!rolling.empty())
    replacements_.spawn(fmt::format("{} could not be replaced", app.spec->name),
                        replace(rolling, why));
  return true;
}

awaitable<void> Supervisor::replace(std::vector<int> pm_ids, std::string why) {
  ReloadOptions options;
  options.why = std::move(why);
  const auto silently = [](int, const std::string&, const std::string&) {};
  std::vector<int> present;
  for (const int id : pm_ids) {
    if (find(id) != nullptr) present.push_back(id);
  }
  if (present.empty()) co_return;
  const std::uint64_t app_id = app_of(present.front())->id;
  const std::string cause = options.why;
  try {
    const auto notes = co_await reload(present, std::move(options), silently);
    static_cast<void>(notes);
  } catch (const Error& error) {
    const auto found = apps_.find(app_id);
    if (found != apps_.end() && found->second.watch)
      found->second.watch->failed(
          fmt::format("{}, but the previous processes go on: {}", cause, error.what()));
    throw;
  }
}

}  // namespace pmx
