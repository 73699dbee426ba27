#include "daemon/policy/dependencies.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace pmx {
namespace {

using Condition = Dependency::Condition;
using Verdict = StartPermit::Verdict;

bool is_met(Condition condition, const InstanceProgress& one) {
  const bool online = one.state == InstanceState::online;
  const bool ended = one.state == InstanceState::stopped && one.last_exit.has_value();
  switch (condition) {
    case Condition::started:
      return online || one.has_process || ended;
    case Condition::ready:
      return online;
    case Condition::healthy:
      return online && one.health == Health::healthy;
    case Condition::completed:
      return ended || (one.state == InstanceState::errored && one.last_exit.has_value());
    case Condition::completed_ok:
      return ended && one.ended_well;
  }
  return true;
}

// It will not come to that by itself.
bool is_hopeless(Condition condition, const InstanceProgress& one) {
  if (one.state == InstanceState::errored) return true;
  return one.state == InstanceState::stopped && one.last_exit.has_value() &&
         condition != Condition::started && condition != Condition::completed;
}

std::string_view wished(Condition condition) {
  switch (condition) {
    case Condition::started:
      return "be started";
    case Condition::ready:
      return "be ready";
    case Condition::healthy:
      return "be healthy";
    case Condition::completed:
      return "end";
    case Condition::completed_ok:
      break;
  }
  return "end well";
}

// Depth first; `path` is where it stands.
bool walk(const DependencyGraph& graph, const std::string& name, std::set<std::string>& done,
          std::vector<std::string>& path) {
  const auto begun = std::find(path.begin(), path.end(), name);
  if (begun != path.end()) {
    path.erase(path.begin(), begun);
    path.push_back(name);
    return true;
  }
  if (done.contains(name)) return false;
  path.push_back(name);
  const auto found = graph.find(name);
  if (found != graph.end()) {
    for (const std::string& next : found->second) {
      if (walk(graph, next, done, path)) return true;
    }
  }
  path.pop_back();
  done.insert(name);
  return false;
}

void visit(const DependencyGraph& graph, const std::string& name, std::set<std::string>& done,
           std::vector<std::string>& order) {
  if (!done.insert(name).second) return;
  const auto found = graph.find(name);
  if (found != graph.end()) {
    for (const std::string& next : found->second) visit(graph, next, done, order);
  }
  order.push_back(name);
}

}  // namespace

StartPermit permit(const Dependency& dependency, const std::vector<InstanceProgress>& instances) {
  for (const InstanceProgress& one : instances) {
    if (is_met(dependency.condition, one)) continue;
    if (one.by_operator && one.state == InstanceState::stopped) continue;
    if (is_hopeless(dependency.condition, one))
      return {Verdict::never, fmt::format("it depends on {}, which will not {}: {}", dependency.app,
                                          wished(dependency.condition), one.reason)};
    return {Verdict::wait,
            fmt::format("waiting for {} to {}", dependency.app, wished(dependency.condition))};
  }
  return {};
}

std::vector<std::string> find_cycle(const DependencyGraph& graph) {
  std::set<std::string> done;
  for (const auto& [name, needs] : graph) {
    std::vector<std::string> path;
    if (walk(graph, name, done, path)) return path;
  }
  return {};
}

std::vector<std::string> start_order(const DependencyGraph& graph,
                                     const std::vector<std::string>& names) {
  std::set<std::string> done;
  std::vector<std::string> all;
  for (const std::string& name : names) visit(graph, name, done, all);
  std::erase_if(all, [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) == names.end();
  });
  return all;
}

}  // namespace pmx
