#include <fmt/format.h>

#include "common/base/error.h"
#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::Send::Response> handle(Tag<protocol::Send>, ControlContext& context,
                                           protocol::Send::Request request, Call&) {
  if (request.message.empty() == request.input.empty())
    throw Error(ErrorCode::invalid_request, "either \"input\" or \"message\" is needed");
  if (request.input.size() > kMaxInputBytes)
    throw Error(ErrorCode::invalid_request,
                fmt::format("a line has at most {} bytes with its end, this one has {}",
                            kMaxInputBytes, request.input.size()));
  const std::vector<int> ids = context.supervisor.select(request.target);
  if (ids.size() != 1)
    throw Error(ErrorCode::invalid_request,
                fmt::format("\"{}\" has {} instances", request.target, ids.size()),
                "name one of them by its id");
  if (request.message.empty()) {
    context.supervisor.write_input(ids.front(), request.input);
  } else {
    context.supervisor.send_message(ids.front(), request.message);
  }
  protocol::Send::Response response;
  response.instances = context.supervisor.status(ids, false);
  co_return response;
}

}  // namespace pmx
