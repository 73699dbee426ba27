#include <set>

#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::Flush::Response> handle(Tag<protocol::Flush>, ControlContext& context,
                                            protocol::Flush::Request request, Call&) {
  const Supervisor& supervisor = context.supervisor;
  std::set<std::string> paths;
  for (const Supervisor::LogFile& file : supervisor.log_files(
           request.target ? supervisor.select(*request.target) : supervisor.all_ids())) {
    for (const std::string& path : {file.paths.out, file.paths.error, file.paths.combined}) {
      if (!path.empty() && path != "/dev/null") paths.insert(path);
    }
  }
  if (!request.target) paths.insert(context.daemon_log);
  protocol::Flush::Response response;
  response.files.assign(paths.begin(), paths.end());

  auto done = std::make_shared<bool>(false);
  auto finished = std::make_shared<Condition>(context.io);
  context.logs.truncate(response.files, [done, finished] {
    *done = true;
    finished->notify_all();
  });
  while (!*done) co_await finished->wait();
  co_return response;
}

}  // namespace pmx
