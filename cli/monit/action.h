// What one can do to the selected instance or its app, and how the daemon is told which one is meant.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/instance_status.h"

namespace pmx::cli::monit {

enum class Verb { stop, restart, reload, remove, scale };

struct Action {
  Verb verb = Verb::restart;
  std::string target;   // as a command takes it
  std::string subject;  // for people: "api (3)", "all 4 of api"
  int difference = 0;   // of scale
};

struct VerbWords {
  std::string_view name;   // as the command is called
  std::string_view doing;  // "stopping"
  std::string_view done;   // "stopped"
};
const VerbWords& words_of(Verb verb);

// An instance, or all instances of its app. Nullopt: no target means exactly that, because of the
// names that other apps have.
std::optional<Action> on_instance(Verb verb, const InstanceStatus& one,
                                  const std::vector<InstanceStatus>& all);
std::optional<Action> on_app(Verb verb, const InstanceStatus& one,
                             const std::vector<InstanceStatus>& all);

int instances_of(const std::string& name, const std::vector<InstanceStatus>& all);

}  // namespace pmx::cli::monit
