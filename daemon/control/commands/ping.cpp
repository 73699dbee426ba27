#include <unistd.h>

#include "common/base/build_info.h"
#include "common/protocol/version.h"
#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::Ping::Response> handle(Tag<protocol::Ping>, ControlContext& context,
                                           protocol::Ping::Request, Call&) {
  protocol::Ping::Response response;
  response.version = kVersion;
  response.protocol = protocol::kProtocol;
  response.daemon_pid = ::getpid();
  response.keeper_pid = context.keeper_pid;
  co_return response;
}

}  // namespace pmx
