#include "cli/commands/saved_apps.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <tuple>

namespace pmx::cli {
namespace {

void add_omitted_env(Context& context, const DumpEntry& entry, AppSpec& spec) {
  static const Env shell = current_environment();
  std::vector<std::string> missing;
  for (const std::string& name : entry.omitted_env) {
    const auto found = shell.find(name);
    if (found == shell.end()) {
      missing.push_back(name);
    } else {
      spec.env.insert(*found);
    }
  }
  if (missing.empty()) return;
  context.output.warn(fmt::format(
      "[{}] starts without {}: secrets are not saved, and this shell does not have them", spec.name,
      fmt::join(missing, ", ")));
}

}  // namespace

std::vector<SavedApp> saved_apps(Context& context, const std::vector<DumpEntry>& entries,
                                 const std::set<std::string>& existing) {
  std::vector<SavedApp> apps;
  // A name may have been given twice, to different programs.
  std::map<std::tuple<std::string, std::string, std::string>, std::size_t> index;
  for (const DumpEntry& entry : entries) {
    if (existing.count(entry.spec.name) != 0) continue;
    const auto [position, is_new] =
        index.emplace(std::tuple(entry.spec.name, entry.spec.script, entry.spec.cwd), apps.size());
    if (is_new) {
      apps.push_back({entry.spec, false, entry.unmapped});
      apps.back().spec.instances = 0;
      add_omitted_env(context, entry, apps.back().spec);
    }
    SavedApp& app = apps[position->second];
    ++app.spec.instances;
    if (entry.state != InstanceState::stopped) app.running = true;
  }
  return apps;
}

}  // namespace pmx::cli
