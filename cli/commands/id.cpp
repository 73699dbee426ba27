// pmx id, pid and env: bare values for scripts.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <iterator>

#include "cli/commands/commands.h"

namespace pmx::cli {

int run_id(Context& context, Arguments& arguments) {
  std::vector<std::string> names;
  arguments.words("name", names, 1, 1);
  context.parse(arguments);
  std::vector<int> ids;
  for (const InstanceStatus& one : context.list_all()) {
    if (one.name == names.front()) ids.push_back(one.pm_id);
  }
  context.output.payload(ids.empty() ? "[]\n" : fmt::format("[ {} ]\n", fmt::join(ids, ", ")));
  return 0;
}

int run_pid(Context& context, Arguments& arguments) {
  std::vector<std::string> names;
  arguments.words("name", names, 0, 1);
  context.parse(arguments);
  std::string pids;
  for (const InstanceStatus& one : context.list_all()) {
    if (names.empty() || one.name == names.front()) {
      fmt::format_to(std::back_inserter(pids), "{}\n", one.pid);
    }
  }
  context.output.payload(pids.empty() ? "\n" : pids);
  return 0;
}

int run_env(Context& context, Arguments& arguments) {
  std::vector<std::string> ids;
  bool origin = false;
  arguments.words("id", ids, 1, 1);
  arguments.flag("--origin", origin, "where each value is from, instead of the values");
  context.parse(arguments);
  const std::string& id = ids.front();
  const bool is_number =
      std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  std::vector<InstanceStatus> found = context.find(id, true);
  // An app may be named "1"; here only the id counts.
  std::erase_if(found, [&](const InstanceStatus& one) {
    return is_number && std::to_string(one.pm_id) != id;
  });
  if (found.empty()) {
    throw Error(ErrorCode::not_found, fmt::format("no app with id {}", id),
                "pmx list shows the ids");
  }
  std::string out;
  const InstanceStatus& one = found.front();
  const AppSpec spec = one.detail ? one.detail->spec : AppSpec{};
  for (const auto& [key, value] : spec.env) {
    fmt::format_to(std::back_inserter(out), "{}: {}\n", key, origin ? origin_of(spec, key) : value);
  }
  for (const auto& [key, path] : spec.secret_files) {
    fmt::format_to(std::back_inserter(out), "{}: {}\n", key,
                   origin ? path : fmt::format("(read from {})", path));
  }
  const auto line = [&](std::string_view key, const auto& value) {
    if (origin) {
      fmt::format_to(std::back_inserter(out), "{}: pmx\n", key);
    } else {
      fmt::format_to(std::back_inserter(out), "{}: {}\n", key, value);
    }
  };
  // What the daemon adds for each instance.
  line("PMX_HOME", context.paths().home());
  line(spec.instance_var, one.instance_number);
  line("pm_id", one.pm_id);
  line("name", one.name);
  line("namespace", one.name_space);
  line("restart_time", one.restarts);
  line("pm_uptime", one.started_at);
  context.output.payload(out);
  return 0;
}

}  // namespace pmx::cli
