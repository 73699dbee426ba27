// pmx list and jlist.
#include "cli/command_line.h"
#include "cli/commands/commands.h"
#include "cli/render/jlist.h"
#include "cli/render/list_table.h"
#include "cli/render/prettylist.h"

namespace pmx::cli {

int run_list(Context& context, Arguments& arguments) {
  bool mini = false;
  std::optional<std::string> order;
  arguments.flag("-m,--mini-list", mini, "lines `key : value` instead of a table");
  arguments.text("--sort", order, "FIELD[:desc]",
                 "name (default), namespace, pid, id, cpu, memory, uptime or status");
  context.parse(arguments);
  std::vector<InstanceStatus> instances = context.list_all(context.global.json || mini);
  if (!sort_instances(instances, order.value_or("name"))) {
    throw UsageError(
        "--sort does not know \"" + *order + "\"",
        "name, namespace, pid, id, cpu, memory, uptime or status, each also with :desc");
  }
  if (context.global.json) {
    context.output.data("instances", jlist(instances));
  } else if (mini) {
    context.output.mini_list(instances);
  } else {
    context.output.list(instances);
  }
  return 0;
}

int run_prettylist(Context& context, Arguments& arguments) {
  context.parse(arguments);
  if (context.global.json) {
    context.output.data("instances", jlist(context.list_all(true)));
  } else {
    context.output.payload(prettylist(context.list_all(true)));
  }
  return 0;
}

int run_jlist(Context& context, Arguments& arguments) {
  bool json = false;
  arguments.flag("--json", json, "no effect: it always is");
  context.parse(arguments);
  context.output.stream();
  context.output.payload(jlist(context.list_all(true)));
  return 0;
}

}  // namespace pmx::cli
