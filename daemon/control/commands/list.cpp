#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::List::Response> handle(Tag<protocol::List>, ControlContext& context,
                                           protocol::List::Request request, Call& call) {
  const std::vector<int> ids =
      request.target ? context.supervisor.select(*request.target) : context.supervisor.all_ids();
  if (request.follow) call.follow_list();
  protocol::List::Response response;
  response.instances = context.supervisor.status(ids, request.detail);
  response.problem = context.supervisor.store_trouble();
  co_return response;
}

}  // namespace pmx
