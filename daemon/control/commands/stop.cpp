#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::Stop::Response> handle(Tag<protocol::Stop>, ControlContext& context,
                                           protocol::Stop::Request request, Call&) {
  const std::vector<int> ids = context.supervisor.select(request.target);
  co_await context.supervisor.stop(ids);
  protocol::Stop::Response response;
  response.instances = context.supervisor.status(ids, false);
  co_return response;
}

}  // namespace pmx
