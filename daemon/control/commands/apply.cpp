#include "daemon/control/first_moment.h"
#include "daemon/control/handlers.h"

namespace pmx {
awaitable<protocol::Start::Response> handle(Tag<protocol::Apply>, ControlContext& context,
                                            protocol::Apply::Request request, Call& call) {
  std::vector<Supervisor::Change> changes;
  for (protocol::Apply::Change& change : request.changes)
    changes.push_back({std::move(change.spec), change.effect, std::move(change.renames)});
  Supervisor::ApplyOptions options;
  options.remove = std::move(request.remove);
  options.autostart = request.autostart;
  options.wait = request.wait;
  options.parallel = request.parallel.value_or(0);
  options.rollback = request.rollback;
  Supervisor::Progress progress = [&call](int pm_id, const std::string& name,
                                          const std::string& text) {
    call.progress({pm_id, name, text});
  };
  const WallMillis begin = wall_now();
  std::vector<Supervisor::StartOutcome> outcomes = co_await context.supervisor.apply(
      std::move(changes), std::move(options), std::move(progress));
  if (request.wait && request.autostart) co_await see_first_moment(context, outcomes, begin);
  co_return start_response(context.supervisor, std::move(outcomes));
}

}  // namespace pmx
