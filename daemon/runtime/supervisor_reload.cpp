// Supervisor: which reloads there may be, and what `reload` does.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "common/base/error.h"
#include "common/model/door.h"
#include "daemon/runtime/reload.h"
#include "daemon/runtime/supervisor.h"

namespace pmx {

RollingReload* Supervisor::reload_of(std::uint64_t app_id) const {
  const auto found = std::ranges::find_if(
      reloads_, [app_id](const RollingReload* reload) { return reload->app_id() == app_id; });
  return found != reloads_.end() ? *found : nullptr;
}

void Supervisor::cancel_reloads(const std::vector<int>& pm_ids, const std::string& why) {
  std::set<std::uint64_t> apps;
  for (const int id : pm_ids) {
    const App* app = app_of(id);
    if (app == nullptr || !apps.insert(app->id).second) continue;
    if (RollingReload* reload = reload_of(app->id)) reload->cancel(why);
  }
}

void Supervisor::refuse_second_reload(const std::vector<int>& pm_ids) {
  for (const int id : pm_ids) {
    const App* app = app_of(id);
    if (app == nullptr || reload_of(app->id) == nullptr) continue;
    const std::string& name = app->spec->name;
    throw Error(ErrorCode::busy, fmt::format("{} is being reloaded already", name),
                fmt::format("try again when that is done; `pmx restart {}` ends it", name));
  }
}

awaitable<std::vector<std::string>> Supervisor::reload(std::vector<int> pm_ids,
                                                       ReloadOptions options, Progress progress) {
  refuse_second_reload(pm_ids);
  check_env(pm_ids, options.env);
  std::map<std::uint64_t, std::vector<int>> rolling;
  std::vector<int> plain;
  std::set<std::string> forked;
  for (const int id : pm_ids) {
    const Instance& instance = *find(id);
    // Its next run is a new process anyway.
    if (instance.rests()) continue;
    const bool can_roll =
        shares_sockets(instance.spec()) && instance.state() == InstanceState::online;
    if (!shares_sockets(instance.spec())) forked.insert(instance.spec().name);
    if (can_roll) {
      rolling[instance.identity().app_id].push_back(id);
    } else {
      plain.push_back(id);
    }
  }
  // All of them from the beginning: no other reload begins with an app whose turn is yet to come.
  std::deque<std::unique_ptr<RollingReload>> waiting;
  for (const auto& [app_id, ids] : rolling)
    waiting.push_back(std::make_unique<RollingReload>(*this, ids, options, progress));

  std::vector<std::string> notes;
  while (!waiting.empty()) {
    const std::string name = waiting.front()->app_name();
    std::string done;
    try {
      done = co_await waiting.front()->run();
    } catch (const Error& error) {
      waiting.pop_front();
      std::vector<std::string> untouched(forked.begin(), forked.end());
      for (const auto& reload : waiting) untouched.push_back(reload->app_name());
      if (untouched.empty()) throw;
      throw Error(error.code(), error.what(),
                  fmt::format("{}{}not reloaded: {}", error.hint(),
                              error.hint().empty() ? "" : "; ", fmt::join(untouched, ", ")));
    }
    waiting.pop_front();
    notes.push_back(fmt::format("{}: {}", name, done));
  }
  for (const std::string& name : forked)
    notes.push_back(fmt::format(
        "{} runs in fork mode: restarted, with a gap (cluster mode reloads without one)", name));
  if (!plain.empty()) co_await restart(plain, options.env);
  co_return notes;
}

}  // namespace pmx
