// Supervisor: restarts that an app's own settings ask for.
#include <fmt/format.h>

#include <utility>

#include "common/model/door.h"
#include "daemon/runtime/reload.h"
#include "daemon/runtime/supervisor.h"

namespace pmx {

void Supervisor::update_upkeep(App& app) {
  const bool wanted = !app.spec->cron_restart.empty() || app.spec->max_uptime > Millis{0};
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

void Supervisor::restart_all_when_due(std::uint64_t app_id, const std::string& why) {
  const auto found = apps_.find(app_id);
  if (found == apps_.end() || shutting_down_ || reload_of(app_id) != nullptr) return;
  const App& app = found->second;
  ports_.log(fmt::format("{}: {}", app.spec->name, why));
  std::vector<int> rolling;
  for (const int pm_id : app.members) {
    Instance* instance = find(pm_id);
    if (shares_sockets(instance->spec()) && instance->state() == InstanceState::online) {
      rolling.push_back(pm_id);
    } else {
      instance->restart_scheduled(why, true);
    }
  }
  if (!rolling.empty())
    replacements_.spawn(fmt::format("{} could not be replaced", app.spec->name),
                        replace(rolling, why));
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
  const auto notes = co_await reload(present, std::move(options), silently);
  static_cast<void>(notes);
}

}  // namespace pmx
