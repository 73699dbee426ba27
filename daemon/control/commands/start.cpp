#include <fmt/format.h>

#include "common/base/error.h"
#include "daemon/control/first_moment.h"
#include "daemon/control/handlers.h"

namespace pmx {

protocol::Start::Response start_response(const Supervisor& supervisor,
                                         std::vector<Supervisor::StartOutcome> outcomes) {
  protocol::Start::Response response;
  for (Supervisor::StartOutcome& outcome : outcomes) {
    protocol::Start::Outcome& out = response.outcomes.emplace_back();
    out.name = std::move(outcome.name);
    out.error = std::move(outcome.error);
    out.hint = std::move(outcome.hint);
    out.restarted = outcome.restarted;
    out.instances = supervisor.status(outcome.pm_ids, false);
  }
  return response;
}

awaitable<void> see_first_moment(ControlContext& context,
                                 std::vector<Supervisor::StartOutcome>& outcomes,
                                 WallMillis since) {
  std::vector<int> ids;
  for (const Supervisor::StartOutcome& outcome : outcomes)
    ids.insert(ids.end(), outcome.pm_ids.begin(), outcome.pm_ids.end());
  co_await await_first_moment(context, ids);
  for (Supervisor::StartOutcome& outcome : outcomes) {
    for (const InstanceStatus& instance : context.supervisor.status(outcome.pm_ids, true)) {
      if (!outcome.error.empty()) break;
      outcome.error = early_end(instance, since);
      if (!outcome.error.empty())
        outcome.hint = fmt::format("`pmx logs {} --err` may say why", instance.name);
    }
  }
}

awaitable<protocol::Start::Response> handle(Tag<protocol::Start>, ControlContext& context,
                                            protocol::Start::Request request, Call&) {
  if (request.apps.empty()) throw Error(ErrorCode::invalid_request, "\"apps\" is empty");
  const WallMillis begin = wall_now();
  std::vector<Supervisor::StartOutcome> outcomes = co_await context.supervisor.start(
      std::move(request.apps), request.force, request.autostart, request.replace, request.wait);
  if (request.wait && request.autostart) co_await see_first_moment(context, outcomes, begin);
  co_return start_response(context.supervisor, std::move(outcomes));
}

}  // namespace pmx
