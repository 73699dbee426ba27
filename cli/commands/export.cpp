// pmx export: what runs, as a configuration file. And pmx schema, what such a file may say.
#include <fmt/format.h>

#include <map>

#include "cli/commands/commands.h"
#include "cli/config/yaml_writer.h"
#include "common/config/ecosystem_export.h"
#include "common/config/ecosystem_schema.h"

namespace pmx::cli {

int run_export(Context& context, Arguments& arguments) {
  std::vector<std::string> targets;
  bool yaml = false;
  arguments.words("target", targets, 0, Arguments::kAny);
  arguments.flag("--yaml", yaml, "as YAML (JSON)");
  context.parse(arguments);
  if (targets.empty()) targets.emplace_back("all");
  std::map<int, InstanceStatus> found;  // by id, as they were started
  for (const std::string& target : targets) {
    const std::vector<InstanceStatus> instances = context.find(target, true);
    if (instances.empty() && target != "all")
      throw Error(ErrorCode::not_found, fmt::format("{} does not exist", target),
                  "pmx list shows what does");
    for (const InstanceStatus& one : instances) found.emplace(one.pm_id, one);
  }
  std::vector<AppSpec> apps;
  std::map<std::string, std::size_t> index;
  for (const auto& [id, one] : found) {
    if (!one.detail) continue;
    const auto [place, is_new] = index.emplace(one.name, apps.size());
    if (is_new) apps.push_back(one.detail->spec);
    AppSpec& app = apps[place->second];
    if (app.script != one.detail->spec.script || app.cwd != one.detail->spec.cwd)
      throw Error(ErrorCode::invalid_request,
                  fmt::format("two apps are named {}: {} and {}", one.name, app.script,
                              one.detail->spec.script),
                  "a file cannot tell them apart: delete one and start it under another name");
    app.instances = is_new ? 1 : app.instances + 1;
  }
  const std::string json = export_json(apps);
  context.output.payload(yaml ? yaml_of_json(json) : json);
  return 0;
}

int run_schema(Context& context, Arguments& arguments) {
  context.parse(arguments);
  context.output.payload(ecosystem_schema());
  return 0;
}

}  // namespace pmx::cli
