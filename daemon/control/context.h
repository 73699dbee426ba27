// What command handlers work with.
#pragma once

#include <functional>
#include <string>

#include "daemon/ports/log_sink.h"
#include "daemon/runtime/supervisor.h"

namespace pmx {

struct ControlContext {
  asio::io_context& io;
  Supervisor& supervisor;
  LogSink& logs;
  int keeper_pid = 0;
  std::string daemon_log;              // path
  std::function<void()> request_exit;  // ends the daemon in order, once the present answer is out
  std::function<void(const std::string&)> log;
  std::function<void()> mirror_to_unit;  // connects to the unit's main process; throws
};

}  // namespace pmx
