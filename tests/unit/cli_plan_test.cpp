// Plans: what brings apps to what a configuration file says.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/plan/plan.h"
#include "cli/plan/units.h"
#include "common/protocol/model_json.h"

using namespace pmx;
using namespace pmx::cli;
using Action = PlanStep::Action;

namespace {

AppSpec app(const std::string& name) {
  AppSpec spec;
  spec.name = name;
  spec.script = "/srv/" + name + ".js";
  spec.interpreter = "node";
  spec.cwd = "/srv";
  set_env(spec, {{"PATH", "/bin"}, {"PORT", "1"}}, {{"PORT", "3000"}});
  return spec;
}

std::vector<InstanceStatus> running(const AppSpec& spec,
                                    InstanceState state = InstanceState::online) {
  std::vector<InstanceStatus> instances;
  for (int i = 0; i < spec.instances; ++i) {
    InstanceStatus& one = instances.emplace_back();
    one.name = spec.name;
    one.state = state;
    one.detail.emplace().spec = spec;
  }
  return instances;
}

PlanStep plan_one(const AppSpec& wanted, const std::vector<InstanceStatus>& present,
                  const PlanWishes& wishes = {}) {
  std::vector<PlanStep> plan = make_plan({wanted}, present, wishes);
  REQUIRE(plan.size() == 1);
  return plan.front();
}

}  // namespace

TEST_CASE("what is as wished is left alone") {
  CHECK(plan_one(app("web"), running(app("web"))).action == Action::none);
  CHECK(plan_text(make_plan({app("web")}, running(app("web")), {})) ==
        "web: nothing to do\nNothing to do.\n");
}

TEST_CASE("what is not there is started") {
  const PlanStep step = plan_one(app("web"), running(app("api")));
  CHECK(step.action == Action::start);
  CHECK(step.why == "it is not there yet");
}

TEST_CASE("what does not run is started, too") {
  const PlanStep step = plan_one(app("web"), running(app("web"), InstanceState::stopped));
  CHECK(step.action == Action::restart);
  CHECK(step.why == "it is stopped");
}

TEST_CASE("what is not to be started stays as it is") {
  AppSpec wanted = app("web");
  wanted.autostart = false;
  const PlanStep none = plan_one(wanted, running(wanted, InstanceState::stopped));
  CHECK(none.action == Action::none);
  CHECK(none.rests);
  CHECK_FALSE(plan_one(wanted, running(wanted)).rests);
  AppSpec changed = wanted;
  changed.args = {"x"};
  CHECK(plan_one(changed, running(wanted, InstanceState::stopped)).action == Action::in_place);
}

TEST_CASE("another file takes an app over without a change") {
  AppSpec wanted = app("web");
  wanted.origin = "/srv/apps.json";
  const PlanStep step = plan_one(wanted, running(app("web")));
  CHECK(step.action == Action::none);
  CHECK(step.adopts);
  CHECK_FALSE(plan_one(wanted, running(wanted)).adopts);
}

TEST_CASE("another rule of what is inherited takes this shell's variables") {
  AppSpec wanted = app("web");
  wanted.inherit_env = {"NEW", "PORT"};
  set_env(wanted, {{"NEW", "1"}, {"PATH", "/bin"}}, {{"PORT", "3000"}});
  const PlanStep step = plan_one(wanted, running(app("web")));
  CHECK(step.spec.env == Env{{"NEW", "1"}, {"PORT", "3000"}});
  CHECK(step.action == Action::restart);
  AppSpec later = wanted;
  set_env(later, {{"NEW", "2"}}, {{"PORT", "3000"}});
  CHECK(plan_one(later, running(wanted)).action == Action::none);
}

TEST_CASE("what was stopped stays so, if that is wished") {
  const PlanWishes wishes{.update_env = false, .prune = {}, .keep_stopped = true};
  AppSpec changed = app("web");
  set_variable(changed, "PORT", "3001");
  const auto stopped = running(app("web"), InstanceState::stopped);
  CHECK(plan_one(app("web"), stopped, wishes).action == Action::none);
  CHECK(plan_one(app("web"), stopped, wishes).why == "it is stopped, and stays so");
  CHECK(plan_one(changed, stopped, wishes).action == Action::in_place);
  const auto failed = running(app("web"), InstanceState::errored);
  CHECK(plan_one(app("web"), failed, wishes).action == Action::none);
  CHECK(plan_one(changed, failed, wishes).action == Action::restart);
  CHECK(plan_one(changed, running(app("web")), wishes).action == Action::restart);
}

TEST_CASE("each kind of change") {
  AppSpec wanted = app("web");
  SUBCASE("in place") {
    wanted.max_restarts = 3;
    wanted.instances = 2;
    CHECK(plan_one(wanted, running(app("web"))).action == Action::in_place);
  }
  SUBCASE("a new process") {
    set_variable(wanted, "PORT", "3001");
    const PlanStep step = plan_one(wanted, running(app("web")));
    CHECK(step.action == Action::restart);
    REQUIRE(step.changes.size() == 1);
    CHECK(step.changes[0].field == "env.PORT");
    CHECK(step.changes[0].from == "\"3000\"");
    CHECK(step.changes[0].to == "\"3001\"");
  }
  SUBCASE("a new process of what shares its ports") {
    AppSpec before = app("web");
    before.exec_mode = wanted.exec_mode = ExecMode::cluster;
    wanted.limits.nice = 5;
    const PlanStep step = plan_one(wanted, running(before));
    CHECK(step.action == Action::reload);
    REQUIRE(step.changes.size() == 1);
    CHECK(step.changes[0].field == "limits.nice");
    CHECK(plan_one(wanted, running(before, InstanceState::launching)).action == Action::restart);
  }
  SUBCASE("a restart, whatever else") {
    AppSpec before = app("web");
    before.exec_mode = ExecMode::cluster;
    wanted.max_restarts = 3;
    CHECK(plan_one(wanted, running(before)).action == Action::restart);
  }
}

TEST_CASE("a job between its runs has no process to replace") {
  AppSpec before = app("job");
  before.job.emplace().schedule = "0 3 * * *";
  AppSpec wanted = before;
  wanted.job->schedule = "0 4 * * *";
  set_variable(wanted, "PORT", "3001");
  const PlanStep step = plan_one(wanted, running(before, InstanceState::idle));
  CHECK(step.rests);
  CHECK(step.action == Action::in_place);
  CHECK(plan_one(wanted, running(before)).action == Action::restart);
}

TEST_CASE("the shell's environment counts when that is asked for") {
  AppSpec wanted = app("web");
  set_env(wanted, {{"PATH", "/usr/bin"}, {"SHLVL", "3"}}, {{"PORT", "3000"}});
  CHECK(plan_one(wanted, running(app("web"))).action == Action::none);
  const PlanStep step = plan_one(wanted, running(app("web")), {.update_env = true, .prune = {}});
  CHECK(step.action == Action::restart);
  CHECK(step.changes.size() == 2);
}

TEST_CASE("a variable that is no longer in the file is what the shell had") {
  AppSpec wanted = app("web");
  set_env(wanted, {}, {});
  const PlanStep step = plan_one(wanted, running(app("web")));
  REQUIRE(step.changes.size() == 1);
  CHECK(step.changes[0].to == "\"1\"");
  CHECK(step.spec.env.at("PORT") == "1");
}

TEST_CASE("values have the units of a file") {
  for (const auto& [milliseconds, text] : {std::pair("0", "0"),
                                           {"150", "150ms"},
                                           {"1600", "1600ms"},
                                           {"90000", "90s"},
                                           {"600000", "10m"},
                                           {"7200000", "2h"},
                                           {"-", "-"}})
    CHECK(with_unit("kill_timeout", milliseconds) == text);
  for (const auto& [bytes, text] :
       {std::pair("0", "0"), {"1500", "1500"}, {"3072", "3K"}, {"209715200", "200M"}})
    CHECK(with_unit("max_memory_restart", bytes) == text);
  CHECK(with_unit("max_restarts", "3000") == "3000");
  CHECK(with_unit("health.interval", "1000") == "1s");
}

TEST_CASE("secrets are not shown") {
  AppSpec wanted = app("web");
  set_variable(wanted, "DB_PASSWORD", "canary");
  const std::vector<PlanStep> plan = make_plan({wanted}, running(app("web")), {});
  CHECK(plan_text(plan).find("canary") == std::string::npos);
  CHECK(plan_json(plan).find("canary") == std::string::npos);
  CHECK(plan_text(plan).find("env.DB_PASSWORD: - -> (hidden)") != std::string::npos);
}

TEST_CASE("pruning: only what came from this file") {
  AppSpec old = app("old");
  old.origin = "/srv/apps.json";
  AppSpec other = app("other");
  other.origin = "/srv/others.json";
  std::vector<InstanceStatus> present = running(old);
  for (const InstanceStatus& one : running(other)) present.push_back(one);
  const auto plan =
      make_plan({}, present, {.update_env = false, .prune = [](const std::string& file) {
                                return file == "/srv/apps.json";
                              }});
  REQUIRE(plan.size() == 1);
  CHECK(plan[0].name == "old");
  CHECK(plan[0].action == Action::remove);
  CHECK(make_plan({}, present, {}).empty());
}

TEST_CASE("what is listed as a field is one") {
  const nlohmann::json fields = [] {
    AppSpec spec;
    spec.merge_logs = true;
    spec.job.emplace();
    return nlohmann::json(spec);
  }();
  int replacing = 0;
  for (const auto& [field, value] : fields.items()) {
    if (takes(field) != Takes::in_place) ++replacing;
  }
  CHECK(replacing == 29);
}
