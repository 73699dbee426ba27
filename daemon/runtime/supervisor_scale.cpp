// Supervisor: the number of an app's instances.
#include <fmt/format.h>

#include <utility>

#include "common/base/error.h"
#include "daemon/runtime/supervisor.h"
#include "daemon/runtime/wait.h"

namespace pmx {

awaitable<Supervisor::ScaleOutcome> Supervisor::scale(std::string name, int count, bool relative) {
  const std::vector<int> ids = select(name);
  App& app = *app_of(ids.front());
  for (const int id : ids) {
    if (app_of(id) != &app) refuse_ambiguous(name, app, *app_of(id));
  }
  const int present = static_cast<int>(app.members.size());
  const int wanted = relative ? present + count : count;
  if (wanted < 1 || wanted > AppSpec::kMaxInstances) {
    throw Error(ErrorCode::invalid_spec,
                fmt::format("{} cannot have {} instances; 1 to {} are possible", name, wanted,
                            AppSpec::kMaxInstances),
                wanted < 1 ? "`pmx stop` stops an app, `pmx delete` removes it" : "");
  }
  if (wanted == present)
    throw Error(ErrorCode::nothing_to_do,
                fmt::format("{} already has {} instances", name, present));
  cancel_reloads(ids, "the app is being scaled");
  ScaleOutcome outcome = co_await fit_size(app.id, wanted, true);
  co_await wait_for(outcome.added, is_settled);
  co_await committed();
  co_return outcome;
}

awaitable<Supervisor::ScaleOutcome> Supervisor::fit_size(std::uint64_t app_id, int count,
                                                         bool start_new) {
  ScaleOutcome outcome;
  const auto found = apps_.find(app_id);
  if (found == apps_.end() || static_cast<int>(found->second.members.size()) == count)
    co_return outcome;
  resize(found->second, count, start_new, outcome);
  if (outcome.removed.empty()) co_return outcome;
  for (const int id : outcome.removed) find(id)->retire_current();
  co_await wait_until_stopped(outcome.removed);
  co_await drain_and_drop(outcome.removed);
  co_return outcome;
}

void Supervisor::resize(App& app, int count, bool start_new, ScaleOutcome& outcome) {
  auto spec = std::make_shared<AppSpec>(*app.spec);
  spec->instances = count;
  spec->instances_given = true;
  app.spec = std::move(spec);  // the present members keep their log files' names
  ports_.store.put_app({app.id, *app.spec});
  const int present = static_cast<int>(app.members.size());
  for (int i = present; i < count; ++i) {
    Instance& instance = new_instance(app);
    outcome.added.push_back(instance.pm_id());
    if (start_new) instance.start();
  }
  // As pm2: the lowest ids go.
  auto next = app.members.begin();
  for (int i = count; i < present; ++i) outcome.removed.push_back(*next++);
}

}  // namespace pmx
