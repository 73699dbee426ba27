#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::Reload::Response> handle(Tag<protocol::Reload>, ControlContext& context,
                                             protocol::Reload::Request request, Call& call) {
  const std::vector<int> ids = context.supervisor.select(request.target);
  Supervisor::Progress progress = [&call](int pm_id, const std::string& name,
                                          const std::string& text) {
    call.progress({pm_id, name, text});
  };
  protocol::Reload::Response response;
  Supervisor::ReloadOptions options;
  options.env = std::move(request.env);
  options.parallel = request.parallel.value_or(0);
  options.rollback = request.rollback;
  response.notes = co_await context.supervisor.reload(ids, std::move(options), std::move(progress));
  response.instances = context.supervisor.status(ids, false);
  co_return response;
}

}  // namespace pmx
