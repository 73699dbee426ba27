#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::Scale::Response> handle(Tag<protocol::Scale>, ControlContext& context,
                                            protocol::Scale::Request request, Call&) {
  Supervisor::ScaleOutcome outcome =
      co_await context.supervisor.scale(request.name, request.count, request.relative);
  protocol::Scale::Response response;
  response.added = std::move(outcome.added);
  response.removed = std::move(outcome.removed);
  response.instances = context.supervisor.status(context.supervisor.select(request.name), false);
  co_return response;
}

}  // namespace pmx
