// Supervisor: what `start` does.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/error.h"
#include "common/model/declared_socket.h"
#include "common/model/probe.h"
#include "daemon/policy/increment_var.h"
#include "daemon/runtime/supervisor.h"
#include "daemon/runtime/wait.h"

namespace pmx {
namespace {

constexpr std::size_t kMostWatchPaths = 100;

void check_probes(const AppSpec& spec) {
  Env env = spec.env;
  env.try_emplace(spec.instance_var, "0");  // each instance has one of its own
  if (!spec.ready.probe.empty()) (void)parse_probe(spec.ready.probe, ProbeUse::ready, env);
  if (!spec.health.probe.empty()) (void)parse_probe(spec.health.probe, ProbeUse::health, env);
  if (spec.ready.timeout <= Millis{0} || spec.health.interval <= Millis{0} ||
      spec.health.timeout <= Millis{0})
    throw Error(ErrorCode::invalid_spec,
                "ready_timeout, health_interval and health_timeout must be more than 0");
}

void check(const AppSpec& spec) {
  const auto refuse = [&spec](const std::string& what) {
    throw Error(ErrorCode::invalid_spec, fmt::format("app \"{}\": {}", spec.name, what));
  };
  if (spec.name.empty()) throw Error(ErrorCode::invalid_spec, "an app needs a name");
  if (spec.name.find('\n') != std::string::npos || spec.name.size() > 200)
    refuse("a name is one line of at most 200 bytes");
  if (spec.script.empty()) refuse("script is missing");
  if (spec.cwd.empty() || spec.cwd.front() != '/') refuse("cwd must be an absolute path");
  if (spec.instances < 1 || spec.instances > AppSpec::kMaxInstances) {
    refuse(
        fmt::format("instances must be 1 to {}, not {}", AppSpec::kMaxInstances, spec.instances));
  }
  if (spec.listen.size() > DeclaredSocket::kMostPerApp)
    refuse(fmt::format("listen: at most {} sockets", DeclaredSocket::kMostPerApp));
  for (const std::string& socket : spec.listen) (void)parse_declared_socket(socket);
  if (spec.start_on_connection && spec.listen.empty())
    refuse("start_on_connection needs sockets to wait on: listen, e.g. [\"tcp:127.0.0.1:8080\"]");
  if (const std::string problem = increment_var_problem(spec); !problem.empty()) refuse(problem);
  check_probes(spec);
  if (spec.watch_paths.size() > kMostWatchPaths)
    refuse(fmt::format("watch: at most {} paths", kMostWatchPaths));
  for (const std::string& path : spec.watch_paths) {
    if (!path.starts_with('/')) refuse("watch: paths must be absolute");
  }
  if (spec.max_surge < 0 || spec.max_unavailable < 0)
    refuse("max_surge and max_unavailable are numbers of instances, 0 or more");
}

}  // namespace

void Supervisor::check_all(const std::vector<AppSpec>& specs) const {
  for (const AppSpec& spec : specs) {
    check(spec);
    try {
      AppUpkeep::check(ports_, spec);
      const std::string problem = ports_.spawner.limits_problem(spec.limits);
      if (!problem.empty()) throw Error(ErrorCode::invalid_spec, problem);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("app \"{}\": {}", spec.name, error.what()),
                  error.hint());
    }
  }
}

void Supervisor::add_problems(std::vector<StartOutcome>& outcomes,
                              const std::set<int>& known) const {
  for (StartOutcome& outcome : outcomes) {
    for (const int id : outcome.pm_ids) {
      const Instance* instance = find(id);
      if (!outcome.error.empty() || instance == nullptr || known.contains(id)) continue;
      outcome.error =
          instance->state() == InstanceState::errored ? instance->reason() : instance->not_ready();
    }
  }
}

awaitable<std::vector<Supervisor::StartOutcome>> Supervisor::start(std::vector<AppSpec> specs,
                                                                   bool force, bool autostart,
                                                                   bool replace, bool wait) {
  if (shutting_down_) throw Error(ErrorCode::unavailable, "the daemon is shutting down");
  check_all(specs);
  specs = in_start_order(std::move(specs));
  std::vector<StartOutcome> outcomes;
  std::vector<int> ids;
  for (AppSpec& spec : specs) {
    StartOutcome outcome = begin_start(std::move(spec), force, autostart, replace);
    ids.insert(ids.end(), outcome.pm_ids.begin(), outcome.pm_ids.end());
    outcomes.push_back(std::move(outcome));
  }
  co_await committed();
  if (wait) co_await wait_for(ids, is_settled);
  co_await wait_for_watches(ids);
  co_await committed();
  add_problems(outcomes);
  co_return outcomes;
}

Supervisor::StartOutcome Supervisor::begin_start(AppSpec spec, bool force, bool autostart,
                                                 bool replace) {
  if (!force) {
    for (auto& [id, app] : apps_) {
      if (app.spec->name != spec.name) continue;
      if (replace) return start_again(app, std::move(spec), autostart);
      if (app.spec->script != spec.script) continue;
      if (!any_running(app)) return start_again(app, std::move(spec), autostart);
      StartOutcome outcome;
      outcome.name = spec.name;
      outcome.error = fmt::format("{} is already running {}", spec.name, spec.script);
      outcome.hint = fmt::format(
          "`pmx restart {}` restarts it, `-f` starts a second copy, `--name` another app",
          spec.name);
      return outcome;
    }
  }
  StartOutcome outcome;
  outcome.name = spec.name;
  App& app = add_app(std::move(spec));
  for (int i = 0; i < app.spec->instances; ++i) {
    Instance& instance = new_instance(app);
    outcome.pm_ids.push_back(instance.pm_id());
  }
  for (const int id : outcome.pm_ids) {
    if (autostart && app.spec->autostart) {
      find(id)->start();
    } else {
      find(id)->stop();  // recorded as wished: stopped
    }
  }
  return outcome;
}

Supervisor::StartOutcome Supervisor::start_again(App& app, AppSpec spec, bool autostart) {
  StartOutcome outcome;
  outcome.name = spec.name;
  outcome.restarted = true;
  const int count = spec.instances;
  cancel_reloads({app.members.begin(), app.members.end()}, "the app is being started anew");
  change_spec(app, std::make_shared<const AppSpec>(std::move(spec)));
  ScaleOutcome sizes;
  if (count > static_cast<int>(app.members.size())) resize(app, count, false, sizes);
  for (const int id : app.members) {
    outcome.pm_ids.push_back(id);
    if (autostart) find(id)->restart();
  }
  return outcome;
}

}  // namespace pmx
