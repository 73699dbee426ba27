#include "common/base/error.h"
#include "daemon/control/handlers.h"

namespace pmx {

protocol::Logs::Response log_files(const Supervisor& supervisor,
                                   const std::optional<std::string>& target) {
  protocol::Logs::Response response;
  for (const Supervisor::LogFile& file :
       supervisor.log_files(target ? supervisor.select(*target) : supervisor.all_ids())) {
    for (const auto& [stream, path] :
         {std::pair("out", &file.paths.out), {"err", &file.paths.error}}) {
      response.files.push_back({file.pm_id, file.spec->name, stream, *path,
                                file.spec->log_date_format, file.spec->log_type == "json",
                                file.spec->name_space});
    }
  }
  return response;
}

awaitable<protocol::Logs::Response> handle(Tag<protocol::Logs>, ControlContext& context,
                                           protocol::Logs::Request request, Call& call) {
  protocol::Logs::Response response = log_files(context.supervisor, request.target);
  if (request.follow) call.follow_logs(request);
  co_return response;
}

}  // namespace pmx
