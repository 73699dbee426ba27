// Supervisor: apps that depend on others.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <asio/post.hpp>

#include "common/base/error.h"
#include "daemon/policy/dependencies.h"
#include "daemon/runtime/supervisor.h"

namespace pmx {

StartPermit Supervisor::may_start(int pm_id) {
  const Instance* instance = find(pm_id);
  if (instance == nullptr) return {};
  for (const std::string& text : instance->spec().depends_on) {
    const Dependency dependency = parse_dependency(text);
    std::vector<InstanceProgress> progress;
    for (const auto& [id, other] : instances_) {
      if (other->spec().name == dependency.app) progress.push_back(other->progress());
    }
    StartPermit permitted = permit(dependency, progress);
    if (permitted.verdict == StartPermit::Verdict::wait) someone_waits_ = true;
    if (permitted.verdict != StartPermit::Verdict::may_start) return permitted;
  }
  return {};
}

// Once for all that changes in a turn of the event loop, and never inside an instance's own step.
void Supervisor::try_gates_soon() {
  if (!someone_waits_ || std::exchange(gates_due_, true)) return;
  asio::post(ports_.io, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    gates_due_ = false;
    someone_waits_ = false;  // whoever still does says so again
    for (const int id : all_ids()) {
      if (Instance* instance = find(id)) instance->try_gate();
    }
  });
}

void Supervisor::restart_dependents_soon(int pm_id) {
  const std::string name = find(pm_id)->spec().name;
  const TimePoint cause = ports_.clock.now();
  std::vector<std::uint64_t> dependents;
  for (const auto& [id, app] : apps_) {
    const std::vector<std::string>& with = app.spec->restart_with;
    if (std::ranges::find(with, name) != with.end()) dependents.push_back(id);
  }
  if (dependents.empty()) return;
  // Never inside an instance's own step.
  asio::post(ports_.io, [this, dependents, name, cause, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    for (const std::uint64_t id : dependents)
      restart_all_when_due(id, fmt::format("{}, which it requires, was restarted", name), cause,
                           false);
  });
}

DependencyGraph Supervisor::dependencies() const {
  DependencyGraph graph;
  for (const auto& [id, app] : apps_) {
    std::vector<std::string>& needs = graph[app.spec->name];
    for (const std::string& text : app.spec->depends_on)
      needs.push_back(parse_dependency(text).app);
  }
  return graph;
}

std::vector<AppSpec> Supervisor::in_start_order(std::vector<AppSpec> specs) const {
  if (std::ranges::all_of(specs, [](const AppSpec& spec) { return spec.depends_on.empty(); }))
    return specs;
  DependencyGraph graph = dependencies();
  std::map<std::string, bool> has_health;
  for (const auto& [id, app] : apps_) has_health[app.spec->name] = !app.spec->health.probe.empty();
  for (const AppSpec& spec : specs) {
    graph[spec.name].clear();
    has_health[spec.name] = !spec.health.probe.empty();
  }
  const auto refuse = [](const AppSpec& spec, const std::string& what, const std::string& hint) {
    throw Error(ErrorCode::invalid_spec, fmt::format("app \"{}\": {}", spec.name, what), hint);
  };
  for (const AppSpec& spec : specs) {
    for (const std::string& text : spec.depends_on) {
      const Dependency dependency = parse_dependency(text);
      const auto found = has_health.find(dependency.app);
      if (found == has_health.end())
        refuse(spec, fmt::format("depends_on \"{}\": there is no such app", text),
               "start it first, or in the same file");
      if (dependency.condition == Dependency::Condition::healthy && !found->second)
        refuse(spec, fmt::format("depends_on \"{}\": that app has no health check", text),
               "give it one (health), or wait for :ready");
      graph[spec.name].push_back(dependency.app);
    }
  }
  if (const std::vector<std::string> cycle = find_cycle(graph); !cycle.empty())
    throw Error(ErrorCode::invalid_spec,
                fmt::format("these apps depend on each other: {}", fmt::join(cycle, " -> ")));
  std::vector<std::string> names;
  for (const AppSpec& spec : specs) names.push_back(spec.name);
  std::vector<AppSpec> ordered;
  for (const std::string& name : start_order(graph, names)) {
    for (AppSpec& spec : specs) {
      if (spec.name == name) ordered.push_back(std::move(spec));
    }
  }
  return ordered;
}

awaitable<void> Supervisor::stop_in_order(std::vector<int> pm_ids) {
  while (!pm_ids.empty()) {
    // Whoever is needed by one that is still to be stopped waits for it.
    std::set<std::string> needed;
    for (const int id : pm_ids) {
      const Instance* instance = find(id);
      if (instance == nullptr) continue;
      for (const std::string& text : instance->spec().depends_on)
        needed.insert(parse_dependency(text).app);
    }
    std::vector<int> now;
    for (const int id : pm_ids) {
      const Instance* instance = find(id);
      if (instance == nullptr || !needed.contains(instance->spec().name)) now.push_back(id);
    }
    if (now.empty()) now = pm_ids;  // a cycle cannot be started, but names may be changed
    for (const int id : now) {
      if (Instance* instance = find(id)) instance->stop();
    }
    std::erase_if(pm_ids, [&](int id) { return std::ranges::find(now, id) != now.end(); });
    if (!pm_ids.empty()) co_await wait_for_end(now);
  }
}

}  // namespace pmx
