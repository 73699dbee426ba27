// pmx stop, delete and reset: a target each, nothing else.
#include "cli/commands/commands.h"
#include "cli/commands/config_targets.h"
#include "cli/commands/targets.h"

namespace pmx::cli {

int run_stop(Context& context, Arguments& arguments) {
  std::vector<std::string> targets;
  std::optional<std::string> only;
  bool watch = false;
  arguments.words("target", targets, 1, Arguments::kAny);
  arguments.flag("--watch", watch, "accepted for pm2's sake: a stop ends watching anyway");
  arguments.text("--only", only, "NAMES", "of a configuration file: these apps only");
  context.parse(arguments);
  for (const std::string& target : expand_config_files(context, targets, only)) {
    act_on(context, "Stopping", target,
           [&](const std::string& one) { return context.daemon().call<protocol::Stop>({one}); });
  }
  context.show_list();
  return 0;
}

int run_delete(Context& context, Arguments& arguments) {
  std::vector<std::string> targets;
  std::optional<std::string> only;
  arguments.words("target", targets, 1, Arguments::kAny);
  arguments.text("--only", only, "NAMES", "of a configuration file: these apps only");
  context.parse(arguments);
  for (const std::string& target : expand_config_files(context, targets, only)) {
    act_on(context, "Deleting", target,
           [&](const std::string& one) { return context.daemon().call<protocol::Delete>({one}); });
  }
  context.show_list();
  return 0;
}

int run_reset(Context& context, Arguments& arguments) {
  std::vector<std::string> targets;
  arguments.words("target", targets, 1, Arguments::kAny);
  context.parse(arguments);
  for (const std::string& target : targets) {
    act_on(context, "Resetting the counters of", target,
           [&](const std::string& one) { return context.daemon().call<protocol::Reset>({one}); });
  }
  context.show_list();
  return 0;
}

}  // namespace pmx::cli
