#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::Restart::Response> handle(Tag<protocol::Restart>, ControlContext& context,
                                              protocol::Restart::Request request, Call&) {
  const std::vector<int> ids = context.supervisor.select(request.target);
  co_await context.supervisor.restart(ids, std::move(request.env), request.wait);
  protocol::Restart::Response response;
  response.instances = context.supervisor.status(ids, false);
  co_return response;
}

}  // namespace pmx
