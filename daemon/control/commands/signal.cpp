#include <fmt/format.h>

#include "common/base/error.h"
#include "common/model/signal_name.h"
#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::Signal::Response> handle(Tag<protocol::Signal>, ControlContext& context,
                                             protocol::Signal::Request request, Call&) {
  const std::optional<int> number = signal_number(request.signal);
  if (!number) {
    throw Error(ErrorCode::invalid_request, fmt::format("\"{}\" is no signal", request.signal),
                "names like SIGUSR2 or HUP; `kill -l` lists them");
  }
  const std::vector<int> ids = context.supervisor.select(request.target);
  context.supervisor.signal(ids, *number);
  protocol::Signal::Response response;
  response.instances = context.supervisor.status(ids, false);
  co_return response;
}

}  // namespace pmx
