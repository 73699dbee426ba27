#include "common/base/error.h"
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

awaitable<protocol::Start::Response> handle(Tag<protocol::Start>, ControlContext& context,
                                            protocol::Start::Request request, Call&) {
  if (request.apps.empty()) throw Error(ErrorCode::invalid_request, "\"apps\" is empty");
  std::vector<Supervisor::StartOutcome> outcomes = co_await context.supervisor.start(
      std::move(request.apps), request.force, request.autostart, request.replace, request.wait);
  co_return start_response(context.supervisor, std::move(outcomes));
}

}  // namespace pmx
