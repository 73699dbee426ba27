// Supervisor: apps brought to the settings of a configuration file.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/error.h"
#include "common/model/dependency.h"
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

void Supervisor::check_rename(const std::string& from, const std::string& to) {
  if (app_named(from) == nullptr)
    throw Error(ErrorCode::not_found, fmt::format("{} does not exist", from));
  if (app_named(to) != nullptr)
    throw Error(ErrorCode::invalid_request,
                fmt::format("{} cannot be named {}: another app has that name", from, to),
                "choose another name");
  for (const auto& [id, app] : apps_) {
    const bool waits = std::ranges::any_of(app.spec->depends_on, [&](const std::string& line) {
      return parse_dependency(line).app == from;
    });
    if (waits || std::ranges::count(app.spec->restart_with, from) > 0)
      throw Error(ErrorCode::invalid_request,
                  fmt::format("{} cannot get another name: {} depends on it by this one", from,
                              app.spec->name),
                  "change the configuration file of both, and apply it");
  }
}

// First the name alone: whatever comes then, a reload that fails too, is of the app of that name.
void Supervisor::rename(const std::string& from, const AppSpec& wanted) {
  App* app = app_named(from);
  if (app == nullptr) return;
  cancel_reloads({app->members.begin(), app->members.end()}, "the app gets another name");
  AppSpec spec = *app->spec;
  spec.name = wanted.name;
  spec.out_file = wanted.out_file;
  spec.error_file = wanted.error_file;
  spec.log_file = wanted.log_file;
  spec.pid_file = wanted.pid_file;
  change_spec(*app, std::make_shared<const AppSpec>(std::move(spec)));
}

awaitable<std::vector<Supervisor::StartOutcome>> Supervisor::apply(std::vector<Change> changes,
                                                                   ApplyOptions options,
                                                                   Progress progress) {
  if (shutting_down_) throw Error(ErrorCode::unavailable, "the daemon is shutting down");
  std::map<std::string, Effect> effects;
  std::map<std::string, std::string> renames;
  std::vector<AppSpec> specs;
  for (Change& change : changes) {
    if (!effects.emplace(change.spec.name, change.effect).second)
      throw Error(ErrorCode::invalid_request,
                  fmt::format("app \"{}\" is there twice", change.spec.name));
    if (!change.renames.empty()) {
      check_rename(change.renames, change.spec.name);
      renames.emplace(change.spec.name, change.renames);
    }
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
  // What was in trouble before and is not started by this is no failure of this.
  std::set<int> known;
  for (const auto& [id, instance] : instances_) {
    const auto effect = effects.find(instance->spec().name);
    if (instance->state() == InstanceState::errored && effect != effects.end() &&
        effect->second == Effect::in_place)
      known.insert(id);
  }
  for (AppSpec& spec : specs) {
    const std::string name = spec.name;
    const auto renamed = renames.find(name);
    Change change{std::move(spec), effects.at(name),
                  renamed == renames.end() ? std::string() : renamed->second};
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
  add_problems(outcomes, known);
  co_return outcomes;
}

awaitable<Supervisor::StartOutcome> Supervisor::apply_one(Change change,
                                                          const ApplyOptions& options,
                                                          Progress progress) {
  if (!change.renames.empty()) rename(change.renames, change.spec);
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
