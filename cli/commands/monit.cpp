// pmx monit.
#include "cli/monit/monit.h"

#include "cli/commands/commands.h"
#include "cli/commands/list_order.h"

namespace pmx::cli {

int run_monit(Context& context, Arguments& arguments) {
  std::optional<std::string> order;
  arguments.text("--sort", order, "FIELD[:desc]", list_order_help("id"));
  context.parse(arguments);
  if (context.global.json) throw UsageError("monit is for eyes", "for programs: pmx jlist");
  check_list_order(order.value_or("id"));
  context.daemon();  // starts one if need be
  monit::run({.socket_path = context.paths().socket(),
              .order = order.value_or("id"),
              .colours = context.output.colours(),
              .now = wall_now});
  return 0;
}

}  // namespace pmx::cli
