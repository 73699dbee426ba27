#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::Delete::Response> handle(Tag<protocol::Delete>, ControlContext& context,
                                             protocol::Delete::Request request, Call&) {
  const std::vector<int> ids = context.supervisor.select(request.target);
  protocol::Delete::Response response;
  response.instances = context.supervisor.status(ids, false);
  co_await context.supervisor.remove(ids);
  co_return response;
}

}  // namespace pmx
