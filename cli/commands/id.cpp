// pmx id, pid and env: bare values for scripts.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "common/config/secrets.h"

namespace pmx::cli {

int run_id(Context& context, Arguments& arguments) {
  std::vector<std::string> names;
  arguments.words("name", names, 1, 1);
  context.parse(arguments);
  std::vector<int> ids;
  for (const InstanceStatus& one : context.list_all()) {
    if (one.name == names.front()) ids.push_back(one.pm_id);
  }
  if (context.global.json) {
    context.output.data("ids", fmt::format("[{}]", fmt::join(ids, ",")));
  } else {
    context.output.payload(ids.empty() ? "[]\n" : fmt::format("[ {} ]\n", fmt::join(ids, ", ")));
  }
  return 0;
}

int run_pid(Context& context, Arguments& arguments) {
  std::vector<std::string> names;
  arguments.words("name", names, 0, 1);
  context.parse(arguments);
  std::vector<int> pids;
  for (const InstanceStatus& one : context.list_all()) {
    if (names.empty() || one.name == names.front()) pids.push_back(one.pid);
  }
  if (context.global.json) {
    context.output.data("pids", fmt::format("[{}]", fmt::join(pids, ",")));
  } else {
    context.output.payload(fmt::format("{}\n", fmt::join(pids, "\n")));
  }
  return 0;
}

int run_env(Context& context, Arguments& arguments) {
  std::vector<std::string> ids;
  bool origin = false;
  bool show_secrets = false;
  arguments.words("id", ids, 1, 1);
  arguments.flag("--origin", origin, "where each value is from, instead of the values");
  arguments.flag("--show-secrets", show_secrets, "values that look like secrets, too");
  context.parse(arguments);
  const std::string& id = ids.front();
  const bool is_number =
      std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  // An app may be named "1"; here only the id counts.
  std::vector<InstanceStatus> found = is_number ? context.list_all(true) : context.find(id, true);
  std::erase_if(found, [&](const InstanceStatus& one) {
    return is_number && std::to_string(one.pm_id) != id;
  });
  if (found.empty()) {
    throw Error(ErrorCode::not_found, fmt::format("no app with id {}", id),
                "pmx list shows the ids");
  }
  std::string out;
  nlohmann::json object = nlohmann::json::object();
  const InstanceStatus& one = found.front();
  const AppSpec spec = one.detail ? one.detail->spec : AppSpec{};
  const auto line = [&](const std::string& key, const auto& value,
                        const std::string& where = "pmx") {
    const std::string shown = origin ? where : fmt::format("{}", value);
    fmt::format_to(std::back_inserter(out), "{}: {}\n", key, shown);
    object[key] = shown;
  };
  bool has_hidden = false;
  for (const auto& [key, value] : spec.env) {
    const bool hidden = !show_secrets && is_secret(key, value);
    has_hidden = has_hidden || hidden;
    line(key, hidden ? "[hidden]" : value, origin_of(spec, key));
  }
  for (const auto& [key, path] : spec.secret_files)
    line(key, fmt::format("(read from {})", path), path);
  // What the daemon adds for each instance.
  line("PMX_HOME", context.paths().home());
  line(spec.instance_var, one.instance_number);
  line("pm_id", one.pm_id);
  line("name", one.name);
  line("namespace", one.name_space);
  line("restart_time", one.restarts);
  line("pm_uptime", one.started_at);
  if (has_hidden && !origin)
    context.output.remark("[hidden]: looks like a secret; --show-secrets shows it");
  if (context.global.json) {
    context.output.data("env",
                        object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    context.output.payload(out);
  }
  return 0;
}

}  // namespace pmx::cli
