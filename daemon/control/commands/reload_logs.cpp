#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::ReloadLogs::Response> handle(Tag<protocol::ReloadLogs>, ControlContext& context,
                                                 protocol::ReloadLogs::Request, Call&) {
  auto done = std::make_shared<bool>(false);
  auto finished = std::make_shared<Condition>(context.io);
  context.logs.reopen([done, finished] {
    *done = true;
    finished->notify_all();
  });
  while (!*done) co_await finished->wait();
  co_return protocol::ReloadLogs::Response();
}

}  // namespace pmx
