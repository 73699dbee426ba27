// One handler per command of the protocol; each in commands/<command>.cpp. A handler resolves the
// target once, asks the Supervisor and builds the response. Limits, decoding, errors and timing are
// the dispatcher's.
#pragma once

#include <cstdint>
#include <functional>

#include "common/protocol/commands.h"
#include "daemon/control/context.h"
#include "daemon/runtime/async.h"

namespace pmx {

template <class Command>
struct Tag {};

// One call as its handler sees it.
struct Call {
  std::int64_t id = 0;  // of the request, as soon as it is known
  // Sends a notification that belongs to this call; dropped if the client is gone.
  std::function<void(const protocol::Progress&)> progress;
  // The session goes on telling about the log files of this target after the answer, and of events.
  std::function<void(const protocol::Logs::Request& request)> follow_logs;
  // The session says once when anything that a user could see has changed from now on.
  std::function<void()> follow_list;
  // Runs when the answer has been sent.
  std::function<void()> after_reply;
};

#define PMX_HANDLER(Command)                                                                     \
  awaitable<protocol::Command::Response> handle(Tag<protocol::Command>, ControlContext& context, \
                                                protocol::Command::Request request, Call& call);
PMX_HANDLER(Ping)
PMX_HANDLER(UnitStore)
PMX_HANDLER(Start)
PMX_HANDLER(Apply)
PMX_HANDLER(Stop)
PMX_HANDLER(Restart)
PMX_HANDLER(Reload)
PMX_HANDLER(Delete)
PMX_HANDLER(List)
PMX_HANDLER(Logs)
PMX_HANDLER(Flush)
PMX_HANDLER(ReloadLogs)
PMX_HANDLER(Scale)
PMX_HANDLER(Reset)
PMX_HANDLER(Signal)
PMX_HANDLER(Trigger)
PMX_HANDLER(Send)
PMX_HANDLER(Kill)
#undef PMX_HANDLER

// Used by several handlers.
protocol::Start::Response start_response(const Supervisor& supervisor,
                                         std::vector<Supervisor::StartOutcome> outcomes);
// Has a start whose processes end in their first moment fail.
awaitable<void> see_first_moment(ControlContext& context,
                                 std::vector<Supervisor::StartOutcome>& outcomes, WallMillis since);
protocol::Logs::Response log_files(const Supervisor& supervisor,
                                   const std::optional<std::string>& target);

}  // namespace pmx
