#include "cli/monit/action.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace pmx::cli::monit {

const VerbWords& words_of(Verb verb) {
  static constexpr std::array<VerbWords, 5> kWords = {{
      {"stop", "stopping", "stopped"},
      {"restart", "restarting", "restarted"},
      {"reload", "reloading", "reloaded"},
      {"delete", "deleting", "deleted"},
      {"scale", "scaling", "scaled"},
  }};
  return kWords[static_cast<std::size_t>(verb)];
}

int instances_of(const std::string& name, const std::vector<InstanceStatus>& all) {
  return static_cast<int>(std::count_if(
      all.begin(), all.end(), [&](const InstanceStatus& one) { return one.name == name; }));
}

std::optional<Action> on_app(Verb verb, const InstanceStatus& one,
                             const std::vector<InstanceStatus>& all) {
  if (one.name == "all" || one.name.starts_with('/')) return std::nullopt;
  const int count = instances_of(one.name, all);
  return Action{verb, one.name,
                count == 1 ? fmt::format("{} ({})", one.name, one.pm_id)
                           : fmt::format("all {} of {}", count, one.name)};
}

std::optional<Action> on_instance(Verb verb, const InstanceStatus& one,
                                  const std::vector<InstanceStatus>& all) {
  // A name or namespace goes before an id.
  const std::string id = fmt::format("{}", one.pm_id);
  const bool is_taken = std::any_of(all.begin(), all.end(), [&](const InstanceStatus& other) {
    return other.name == id || other.name_space == id;
  });
  if (!is_taken) return Action{verb, id, fmt::format("{} ({})", one.name, one.pm_id)};
  if (instances_of(one.name, all) == 1) return on_app(verb, one, all);
  return std::nullopt;
}

}  // namespace pmx::cli::monit
