#include <fmt/format.h>

#include "common/base/error.h"
#include "daemon/control/first_moment.h"
#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::Restart::Response> handle(Tag<protocol::Restart>, ControlContext& context,
                                              protocol::Restart::Request request, Call&) {
  const std::vector<int> ids = context.supervisor.select(request.target);
  const WallMillis begin = wall_now();
  co_await context.supervisor.restart(ids, std::move(request.env), request.wait);
  if (request.wait) {
    co_await await_first_moment(context, ids);
    for (const InstanceStatus& instance : context.supervisor.status(ids, true)) {
      const std::string problem = early_end(instance, begin);
      if (!problem.empty())
        throw Error(ErrorCode::spawn_failed,
                    fmt::format("{} ({}): {}", instance.name, instance.pm_id, problem),
                    fmt::format("`pmx logs {} --err` may say why", instance.name));
    }
  }
  protocol::Restart::Response response;
  response.instances = context.supervisor.status(ids, false);
  co_return response;
}

}  // namespace pmx
