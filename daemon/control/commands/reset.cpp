#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::Reset::Response> handle(Tag<protocol::Reset>, ControlContext& context,
                                            protocol::Reset::Request request, Call&) {
  const std::vector<int> ids = context.supervisor.select(request.target);
  context.supervisor.reset(ids);
  protocol::Reset::Response response;
  response.instances = context.supervisor.status(ids, false);
  co_return response;
}

}  // namespace pmx
