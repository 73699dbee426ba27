// Supervisor: what apps print, and what is told of their processes.
#include <fmt/format.h>

#include <set>
#include <utility>

#include "daemon/runtime/supervisor.h"

namespace pmx {
namespace {

// Of what is kept for those who are told of it later than it happens.
constexpr std::size_t kEventBytes = std::size_t{64} << 10U;
constexpr std::size_t kBytesForListeners = std::size_t{8} << 20U;
constexpr std::size_t kMaxMessageBytes = std::size_t{1} << 20U;

std::size_t size_of(const Supervisor::ProcessEvent& event) {
  return sizeof event + event.name.size() + event.name_space.size() + event.reason.size() +
         event.message.size() + (event.instance ? sizeof *event.instance : 0);
}

}  // namespace

std::vector<Supervisor::LogFile> Supervisor::log_files(const std::vector<int>& pm_ids) const {
  std::vector<LogFile> files;
  for (const int id : pm_ids) {
    const Instance* instance = find(id);
    if (instance != nullptr) files.push_back({id, &instance->spec(), instance->paths()});
  }
  return files;
}

void Supervisor::note_event(int pm_id, Instance::Happening happening) {
  const Instance* instance = find(pm_id);
  if (instance == nullptr) return;
  ProcessEvent event{0,
                     pm_id,
                     instance->spec().name,
                     instance->spec().name_space,
                     happening.event,
                     ports_.clock.wall_now(),
                     std::move(happening.reason),
                     happening.by_operator};
  if (somebody_listens()) {
    InstanceStatus status = instance->status(false);
    if (happening.exit) {
      // As it is without that process, whatever comes next.
      status.last_exit = happening.exit;
      if (status.pid == 0 && status.state != InstanceState::stopping)
        status.state = InstanceState::stopped;
    }
    event.instance = std::make_shared<const InstanceStatus>(std::move(status));
  }
  keep_event(std::move(event));
  changed_.notify_all();
}

void Supervisor::note_message(int pm_id, std::string_view json) {
  const Instance* instance = somebody_listens() ? find(pm_id) : nullptr;
  if (instance == nullptr) return;
  ProcessEvent event{0,
                     pm_id,
                     instance->spec().name,
                     instance->spec().name_space,
                     "message",
                     ports_.clock.wall_now()};
  if (json.size() > kMaxMessageBytes) {
    event.reason = fmt::format("a message of {} bytes, more than {}, is passed on to nobody",
                               json.size(), kMaxMessageBytes);
  } else {
    event.message = json;
  }
  keep_event(std::move(event));
  heard_.notify_all();
}

void Supervisor::keep_event(ProcessEvent event) {
  event.number = ++last_event_;
  events_bytes_ += size_of(event);
  events_.push_back(std::move(event));
  const std::size_t limit = somebody_listens() ? kBytesForListeners : kEventBytes;
  while (events_bytes_ > limit) {
    events_bytes_ -= size_of(events_.front());
    events_.pop_front();
  }
}

void Supervisor::log_trouble(int pm_id, const std::string& problem, std::uint64_t dropped) {
  if (Instance* instance = find(pm_id)) instance->log_trouble(problem, dropped);
}

void Supervisor::rotate_logs(std::uint64_t app_id) {
  const auto found = apps_.find(app_id);
  if (found == apps_.end()) return;
  std::set<std::string> paths;  // instances may share them
  for (const int pm_id : found->second.members) {
    const InstancePaths& of_one = find(pm_id)->paths();
    for (const std::string& path : {of_one.out, of_one.error, of_one.combined}) paths.insert(path);
  }
  ports_.logs.rotate({paths.begin(), paths.end()});
}

}  // namespace pmx
