// pmx flush and reloadLogs.
#include <fmt/format.h>

#include "cli/commands/commands.h"

namespace pmx::cli {

int run_flush(Context& context, Arguments& arguments) {
  std::vector<std::string> targets;
  arguments.words("target", targets, 0, 1);
  context.parse(arguments);
  protocol::Flush::Request request;
  if (!targets.empty()) request.target = targets.front();
  const auto flushed = context.daemon().call<protocol::Flush>(request);
  for (const std::string& file : flushed.files) {
    context.output.info(fmt::format("Emptied {}", file));
  }
  return 0;
}

int run_reload_logs(Context& context, Arguments& arguments) {
  context.parse(arguments);
  context.daemon().call<protocol::ReloadLogs>({});
  context.output.info("All log files closed and opened again");
  return 0;
}

}  // namespace pmx::cli
