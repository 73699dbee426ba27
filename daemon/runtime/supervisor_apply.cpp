// Supervisor: apps brought to the settings of a configuration file.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/error.h"
#include "common/model/door.h"
#include "daemon/runtime/supervisor.h"
#include "daemon/runtime/wait.h"

namespace pmx {
namespace {

// Whether a run of one can have the sockets that runs of the other had.
bool same_sockets(const AppSpec& one, const AppSpec& other) {
  return door_of(one) == door_of(other) && one.balance == other.balance &&
         one.listen == other.listen;
}

}  // namespace

Supervisor::App* Supervisor::app_named(const std::string& name) {
  App* found = nullptr;
  for (auto& [id, app] : apps_) {
    if (app.spec->name != name) continue;
    if (found != nullptr) refuse_ambiguous(name, *found, app);
    found = &app;
  }
  return found;
}

void Supervisor::refuse_ambiguous(const std::string& name, const App& one, const App& other) {
  throw Error(ErrorCode::invalid_request,
              fmt::format("several apps are meant by {}: {} ({}) and {} ({})", name, one.spec->name,
                          one.spec->script, other.spec->name, other.spec->script),
              "delete one and start it under another name: pmx start ... --name NAME");
}

awaitable<std::vector<Supervisor::StartOutcome>> Supervisor::apply(std::vector<Change> changes,
                                                                   ApplyOptions options,
                                                                   Progress progress) {
  if (shutting_down_) throw Error(ErrorCode::unavailable, "the daemon is shutting down");
  std::map<std::string, Effect> effects;
  std::vector<AppSpec> specs;
  for (Change& change : changes) {
    if (!effects.emplace(change.spec.name, change.effect).second)
      throw Error(ErrorCode::invalid_request,
                  fmt::format("app \"{}\" is there twice", change.spec.name));
    specs.push_back(std::move(change.spec));
  }
  check_all(specs);
  specs = in_start_order(std::move(specs));
  std::vector<int> unwanted;
  for (const std::string& name : options.remove) {
    for (const auto& [id, instance] : instances_) {
      if (instance->spec().name == name) unwanted.push_back(id);
    }
  }
  if (!unwanted.empty()) co_await remove(unwanted);

  std::vector<StartOutcome> outcomes;
  std::vector<int> ids;
  for (AppSpec& spec : specs) {
    const std::string name = spec.name;
    Change change{std::move(spec), effects.at(name)};
    StartOutcome outcome;
    try {
      outcome = co_await apply_one(std::move(change), options, progress);
    } catch (const Error& error) {
      outcome.name = name;
      outcome.error = error.what();
      outcome.hint = error.hint();
    }
    ids.insert(ids.end(), outcome.pm_ids.begin(), outcome.pm_ids.end());
    outcomes.push_back(std::move(outcome));
  }
  co_await committed();
  if (options.wait) co_await wait_for(ids, is_settled);
  co_await wait_for_watches(ids);
  co_await committed();
  add_problems(outcomes);
  co_return outcomes;
}

awaitable<Supervisor::StartOutcome> Supervisor::apply_one(Change change,
                                                          const ApplyOptions& options,
                                                          Progress progress) {
  App* app = app_named(change.spec.name);
  if (app == nullptr)
    co_return begin_start(std::move(change.spec), false, options.autostart, false);
  StartOutcome outcome;
  outcome.name = change.spec.name;
  outcome.restarted = true;
  const std::uint64_t app_id = app->id;
  const int count = change.spec.instances;
  const auto spec = std::make_shared<const AppSpec>(std::move(change.spec));
  const bool rolls =
      change.effect == Effect::reload && shares_sockets(*spec) && shares_sockets(*app->spec) &&
      std::ranges::any_of(app->members,
                          [this](int id) { return find(id)->state() == InstanceState::online; });
  bool renews = false;
  if (rolls) {
    ReloadOptions how;
    how.spec = spec;
    how.parallel = options.parallel;
    how.rollback = options.rollback;
    const std::vector<int> members(app->members.begin(), app->members.end());
    const auto notes = co_await reload(members, std::move(how), std::move(progress));
    static_cast<void>(notes);
  } else {
    renews = change.effect != Effect::in_place && !same_sockets(*spec, *app->spec);
    cancel_reloads({app->members.begin(), app->members.end()}, "the app's settings are changed");
    change_spec(*app, spec);
  }
  // What is restarted below is not to be started before.
  const bool restarts = change.effect != Effect::in_place && !rolls;
  const auto resized = apps_.find(app_id);
  const bool start_new = !restarts && resized != apps_.end() && any_running(resized->second);
  const ScaleOutcome sizes = co_await fit_size(app_id, count, start_new);
  static_cast<void>(sizes);
  const auto found = apps_.find(app_id);
  if (found == apps_.end()) throw Error(ErrorCode::not_found, "it was deleted meanwhile");
  std::vector<int> restarted;
  for (const int id : found->second.members) {
    outcome.pm_ids.push_back(id);
    if (restarts && !find(id)->rests()) restarted.push_back(id);
  }
  // The last one's end closes the sockets: none of the old kind is left in the way of the new.
  if (renews) co_await stop(restarted);
  for (const int id : restarted) {
    if (Instance* instance = find(id)) instance->restart();
  }
  co_return outcome;
}

}  // namespace pmx
