// Supervisor: apps that are restarted when their files change.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/runtime/supervisor.h"

namespace pmx {

void Supervisor::update_watch(App& app) {
  const bool wanted =
      app.spec->watch && !shutting_down_ &&
      std::ranges::any_of(app.members, [this](int id) { return !find(id)->stopped_by_operator(); });
  if (!wanted) {
    app.watch.reset();
    return;
  }
  if (app.watch && app.watch->fits(*app.spec)) return;
  const std::uint64_t id = app.id;
  AppWatch::Actions actions;
  actions.restart = [this, id](const std::string& why, TimePoint changed_at) {
    return restart_all_when_due(id, why, changed_at);
  };
  actions.own_files = [this, id] {
    std::vector<std::string> files;
    for (const int pm_id : apps_.at(id).members) {
      const InstancePaths& paths = find(pm_id)->paths();
      files.insert(files.end(), {paths.out, paths.error, paths.pid});
      if (!paths.combined.empty()) files.push_back(paths.combined);
    }
    return files;
  };
  actions.state_changed = [this] { changed_.notify_all(); };
  actions.warn = [this, name = app.spec->name](const std::string& text) {
    ports_.log(fmt::format("{}: watch: {}", name, text));
  };
  app.watch = std::make_unique<AppWatch>(ports_, *app.spec, std::move(actions));
}

void Supervisor::renew_watches(const std::vector<int>& pm_ids) {
  for (const int id : pm_ids) {
    App* app = app_of(id);
    if (app == nullptr || !app->watch || app->watch->problem().empty()) continue;
    app->watch.reset();
    update_watch(*app);
  }
}

awaitable<void> Supervisor::wait_for_watches(std::vector<int> pm_ids) {
  const auto waits = [this](int id) {
    const App* app = app_of(id);
    return app != nullptr && app->watch && !app->watch->begun();
  };
  while (std::ranges::any_of(pm_ids, waits)) co_await changed_.wait();
}

void Supervisor::reload_ended(std::uint64_t app_id) {
  const auto found = apps_.find(app_id);
  if (found != apps_.end() && found->second.watch) found->second.watch->resume();
}

}  // namespace pmx
