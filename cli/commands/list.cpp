// pmx list and jlist.
#include <poll.h>
#include <unistd.h>

#include <cstdio>

#include "cli/commands/commands.h"
#include "cli/commands/list_order.h"
#include "cli/render/jlist.h"
#include "cli/render/list_table.h"
#include "cli/render/prettylist.h"

namespace pmx::cli {
namespace {

constexpr int kWatchPause = 900;  // milliseconds, as pm2

struct ListOptions {
  std::string order;
  bool mini = false;
  bool json_lines = false;  // an array of instances in each
};

void print_list(Context& context, const ListOptions& options,
                std::vector<InstanceStatus> instances) {
  if (options.json_lines) return context.output.payload(jlist(instances) + "\n");
  if (context.global.json) {
    context.output.data("instances", jlist(instances));
    return;
  }
  sort_instances(instances, options.order);
  if (options.mini) return context.output.mini_list(instances);
  context.output.list(instances);
}

// Until a signal ends the program. A terminal is cleared before each list.
[[noreturn]] void watch_list(Context& context, const ListOptions& options) {
  const bool clears = ::isatty(STDOUT_FILENO) == 1 && !options.json_lines;
  context.daemon();  // starts one if need be; later ones are only waited for
  for (;;) {
    std::optional<std::vector<InstanceStatus>> instances;
    try {
      if (Client* daemon = context.running_daemon()) {
        instances = daemon
                        ->call<protocol::List>(
                            {.target = std::nullopt, .detail = options.mini || options.json_lines})
                        .instances;
      }
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unavailable) throw;
      context.disconnect();
    }
    if (clears) context.output.payload("\x1b[H\x1b[2J");
    if (instances) {
      print_list(context, options, std::move(*instances));
    } else {
      context.output.remark("the daemon does not run; waiting for it");
    }
    std::fflush(stdout);
    // A reader that has gone (`pmx list --watch | head`) ends it, too.
    pollfd out{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
    ::poll(&out, 1, kWatchPause);
  }
}

}  // namespace

int run_list(Context& context, Arguments& arguments) {
  ListOptions options;
  bool watch = false;
  std::optional<std::string> order;
  arguments.flag("-m,--mini-list", options.mini, "lines `key : value` instead of a table");
  arguments.text("--sort", order, "FIELD[:desc]", list_order_help("name"));
  arguments.flag("--watch", watch, "again every 0.9 s, until Ctrl-C");
  context.parse(arguments);
  options.order = order.value_or("name");
  check_list_order(options.order);
  options.json_lines = watch && context.global.json;
  if (options.json_lines) context.output.stream();
  if (watch) watch_list(context, options);
  print_list(context, options, context.list_all(context.global.json || options.mini));
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
