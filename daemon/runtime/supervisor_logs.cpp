// Supervisor: what apps print, and what is told of their processes.
#include <set>

#include "daemon/runtime/supervisor.h"

namespace pmx {

std::vector<Supervisor::LogFile> Supervisor::log_files(const std::vector<int>& pm_ids) const {
  std::vector<LogFile> files;
  for (const int id : pm_ids) {
    const Instance* instance = find(id);
    if (instance != nullptr) files.push_back({id, &instance->spec(), instance->paths()});
  }
  return files;
}

void Supervisor::note_event(int pm_id, const char* event) {
  constexpr std::size_t kEventsKept = 256;
  const Instance* instance = find(pm_id);
  if (instance == nullptr) return;
  events_.push_back({++last_event_, pm_id, instance->spec().name, event, ports_.clock.wall_now()});
  if (events_.size() > kEventsKept) events_.pop_front();
  changed_.notify_all();
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
