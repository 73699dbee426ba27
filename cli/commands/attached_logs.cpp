#include "cli/commands/attached_logs.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <set>
#include <system_error>

#include "cli/log_view/log_view.h"
#include "cli/signals.h"

namespace pmx::cli {
namespace {

constexpr int kReconnectEvery = 1000;  // milliseconds

}  // namespace

AttachedLogs::AttachedLogs(Context& context) : context_(context) {
  for (const InstanceStatus& one : context.list_all(true)) {
    runs_[one.pm_id] = {one.started_at, one.restarts};
    if (!one.detail) continue;
    for (const std::string& path : {one.detail->out_path, one.detail->error_path}) {
      struct stat status {};
      if (::stat(path.c_str(), &status) == 0) sizes_[path] = status.st_size;
    }
  }
}

void AttachedLogs::follow() {
  std::set<std::string> names;
  for (const InstanceStatus& one : context_.list_all()) {
    const auto before = runs_.find(one.pm_id);
    if (before == runs_.end() || before->second != std::pair(one.started_at, one.restarts))
      names.insert(one.name);
  }
  const auto entries = [&](const protocol::Logs::Response& logs) {
    std::vector<LogFileEntry> found;
    for (const protocol::Logs::File& file : logs.files) {
      if (!names.contains(file.name)) continue;
      const auto size = sizes_.find(file.path);
      found.push_back({.pm_id = file.pm_id,
                       .name = file.name,
                       .stream = file.stream == "err" ? LogStream::err : LogStream::out,
                       .path = file.path,
                       .from = size == sizes_.end() ? 0 : size->second});
    }
    return found;
  };
  std::optional<Client> client;
  const auto connect = [&]() -> std::optional<protocol::Logs::Response> {
    client = Client::connect(context_.paths().socket());
    if (!client) return std::nullopt;
    return client->call<protocol::Logs>({.target = std::nullopt, .follow = true});
  };

  const UniqueFd signals = take_end_signals();
  LogViewOptions options;
  options.lines = 0;
  options.colour = context_.output.colours();
  LogView view(options, stdout, stderr);
  if (const auto logs = connect()) view.set_files(entries(*logs));
  for (;;) {
    try {
      const auto news = client ? client->log_news().files : connect();
      if (news) view.set_files(entries(*news));
    } catch (const Error&) {
      client.reset();  // the files go on without the daemon
    }
    std::vector<pollfd> waiting = {
        {.fd = signals.get(), .events = POLLIN, .revents = 0},
        {.fd = view.event_fd(), .events = POLLIN, .revents = 0},
        {.fd = STDOUT_FILENO, .events = 0, .revents = 0},  // its reader may go
        {.fd = client ? client->fd() : -1, .events = POLLIN, .revents = 0}};
    const int ready = ::poll(waiting.data(), waiting.size(), client ? -1 : kReconnectEvery);
    if (ready < 0 && errno != EINTR)
      throw std::system_error(errno, std::generic_category(), "poll");
    if (waiting[0].revents != 0 || (waiting[2].revents & POLLERR) != 0) return;
    if (waiting[1].revents != 0) view.on_ready();
  }
}

}  // namespace pmx::cli
