#include <unistd.h>

#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::Kill::Response> handle(Tag<protocol::Kill>, ControlContext& context,
                                           protocol::Kill::Request, Call& call) {
  protocol::Kill::Response response;
  response.daemon_pid = ::getpid();
  response.keeper_pid = context.keeper_pid;
  response.stopped = co_await context.supervisor.shut_down(true);
  call.after_reply = context.request_exit;
  co_return response;
}

}  // namespace pmx
