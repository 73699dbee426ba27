// pmx save, cleardump and resurrect: the list as a file, in pm2's shape. The daemon remembers its apps without
// it; the file is for other machines, other tools and version control.
#include <fmt/format.h>

#include <set>

#include "cli/commands/commands.h"
#include "cli/commands/saved_apps.h"
#include "cli/commands/targets.h"
#include "common/config/dump.h"
#include "common/config/launch.h"
#include "common/sys/file.h"

namespace pmx::cli {
namespace {

// The dump, or the one before if nothing of it can be read. Nullopt: there is none.
std::optional<SavedList> load_dump(Context& context) {
  const Paths& paths = context.paths();
  for (const std::string& path : {paths.dump(), paths.dump_backup()}) {
    const std::optional<std::string> text = sys::read_file(path);
    if (!text) continue;
    try {
      SavedList saved = read_dump(*text);
      for (const std::string& problem : saved.problems)
        context.output.error(fmt::format("{}: {}", path, problem), "this entry is left out");
      if (!saved.entries.empty() || saved.problems.empty()) return saved;
    } catch (const Error& error) {
      context.output.error(fmt::format("{}: {}", path, error.what()), error.hint());
    }
  }
  return std::nullopt;
}

}  // namespace

int run_save(Context& context, Arguments& arguments) {
  bool force = false;
  arguments.flag("-f,--force", force, "also when the list is empty");
  context.parse(arguments);
  const std::vector<InstanceStatus> instances = context.list_all(true);
  const std::string path = context.paths().dump();
  if (instances.empty() && !force) {
    context.output.warn("the list is empty: nothing saved (--force saves it)");
    return 0;
  }
  std::vector<DumpEntry> entries;
  for (const InstanceStatus& one : instances) {
    if (one.detail) entries.push_back(dump_entry_of(one));
  }
  write_dump(context.paths(), dump_text(entries));
  context.output.info(fmt::format("Saved {} {} to {}", entries.size(),
                                  entries.size() == 1 ? "instance" : "instances", path));
  return 0;
}

int run_cleardump(Context& context, Arguments& arguments) {
  context.parse(arguments);
  context.paths().ensure_home();
  write_dump(context.paths(), "[]\n");
  context.output.info(fmt::format("{} is empty now", context.paths().dump()));
  return 0;
}

int run_resurrect(Context& context, Arguments& arguments) {
  context.parse(arguments);
  const auto saved = load_dump(context);
  if (!saved) {
    context.output.error(fmt::format("there is no readable {}", context.paths().dump()),
                         "pmx save writes it");
    return 0;
  }
  std::set<std::string> existing;
  for (const InstanceStatus& one : context.list_all()) existing.insert(one.name);

  std::vector<AppSpec> running;
  std::vector<AppSpec> stopped;
  bool all_well = saved->problems.empty();
  for (SavedApp& app : saved_apps(context, saved->entries, existing)) {
    try {
      resolve_interpreter(app.spec);
    } catch (const Error& error) {
      context.output.error(fmt::format("[{}] {}", app.spec.name, error.what()), error.hint());
      all_well = false;
      continue;
    }
    (app.running ? running : stopped).push_back(std::move(app.spec));
  }
  if (!running.empty()) {
    all_well = start_apps(context, std::move(running), true, true) && all_well;
  }
  if (!stopped.empty()) {
    all_well = start_apps(context, std::move(stopped), true, false) && all_well;
  }
  context.show_list();
  return all_well ? 0 : 1;
}

}  // namespace pmx::cli
