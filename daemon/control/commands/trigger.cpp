#include "common/base/error.h"
#include "daemon/control/handlers.h"

namespace pmx {
namespace {

constexpr Millis kLongest = std::chrono::hours(1);

}  // namespace

awaitable<protocol::Trigger::Response> handle(Tag<protocol::Trigger>, ControlContext& context,
                                              protocol::Trigger::Request request, Call&) {
  if (request.timeout <= Millis{0} || request.timeout > kLongest)
    throw Error(ErrorCode::invalid_request, "the timeout must be above 0 and at most an hour");
  std::vector<int> ids = context.supervisor.select(request.target);
  std::vector<Supervisor::ActionOutcome> outcomes = co_await context.supervisor.call_action(
      std::move(ids), std::move(request.action), std::move(request.param), request.timeout);
  protocol::Trigger::Response response;
  for (Supervisor::ActionOutcome& one : outcomes) {
    response.answers.push_back({one.pm_id, std::move(one.name), std::move(one.name_space),
                                std::move(one.json), std::move(one.error)});
  }
  co_return response;
}

}  // namespace pmx
