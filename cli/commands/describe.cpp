// pmx describe (show).
#include "cli/render/describe.h"

#include <fmt/format.h>

#include "cli/commands/commands.h"
#include "cli/commands/targets.h"
#include "cli/render/jlist.h"

namespace pmx::cli {

int run_describe(Context& context, Arguments& arguments) {
  std::vector<std::string> targets;
  arguments.words("target", targets, 1, 1);
  context.parse(arguments);
  const std::vector<InstanceStatus> found = context.find(targets.front(), true);
  if (found.empty()) {
    throw Error(ErrorCode::not_found, fmt::format("{} does not exist", targets.front()),
                "pmx list shows what does");
  }
  if (context.global.json) {
    context.output.data("instances", jlist(found));
    return 0;
  }
  for (const InstanceStatus& one : found) {
    context.output.text(
        describe(one, {context.output.width(), context.output.colours(), wall_now()}));
  }
  return 0;
}

}  // namespace pmx::cli
