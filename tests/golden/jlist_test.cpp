#include "cli/render/jlist.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/golden/golden_data.h"

namespace pmx::cli {
namespace {

using Json = nlohmann::json;

InstanceStatus detailed() {
  InstanceStatus one = golden::instance(0, "api", InstanceState::online);
  one.detail.emplace();
  AppSpec& spec = one.detail->spec;
  spec.name = "api";
  spec.script = "/srv/app.js";
  spec.interpreter = "node";
  spec.cwd = "/srv";
  spec.instances = 2;
  spec.env = {{"SHOWN", "yes"}, {"DB_PASSWORD", "hunter2"}, {"name", "not the app's"}};
  one.instance_number = 1;
  one.detail->out_path = "/h/logs/api-out-0.log";
  return one;
}

TEST_CASE("nothing is an empty array, without a newline") { CHECK(jlist({}) == "[]"); }

TEST_CASE("fields that scripts read") {
  const Json json = Json::parse(jlist({detailed()}));
  REQUIRE(json.size() == 1);
  CHECK(json[0]["pid"] == 4000);
  CHECK(json[0]["pm_id"] == 0);
  CHECK(json[0]["monit"]["memory"] == 53'897'625);
  CHECK(json[0]["monit"]["cpu"] == doctest::Approx(12.5));
  const Json& env = json[0]["pm2_env"];
  CHECK(env["status"] == "online");
  CHECK(env["exec_mode"] == "fork_mode");
  CHECK(env["pm_uptime"] == golden::kNow - 60'000);
  CHECK(env["pm_exec_path"] == "/srv/app.js");
  CHECK(env["NODE_APP_INSTANCE"] == 1);
  CHECK(env["instances"] == 2);
  CHECK(env["version"] == "N/A");
  CHECK(env["kill_timeout"] == 1600);
  CHECK(env["node_args"] == Json::array());
  CHECK_FALSE(env.contains("args"));
  CHECK_FALSE(env.contains("exit_code"));
}

TEST_CASE("variables are there twice, secrets hidden, and never replace attributes") {
  const Json env = Json::parse(jlist({detailed()}))[0]["pm2_env"];
  CHECK(env["SHOWN"] == "yes");
  CHECK(env["env"]["SHOWN"] == "yes");
  CHECK(env["DB_PASSWORD"] == "[hidden]");
  CHECK(env["env"]["DB_PASSWORD"] == "[hidden]");
  CHECK(env["name"] == "api");
  CHECK(env["env"]["name"] == "not the app's");
}

TEST_CASE("ends") {
  InstanceStatus one = golden::instance(0, "x", InstanceState::stopped);
  one.memory_bytes = 5;
  one.last_exit = ExitStatus{ExitStatus::Kind::exited, 3, false};
  Json json = Json::parse(jlist({one}))[0];
  CHECK(json["pm2_env"]["exit_code"] == 3);
  CHECK(json["monit"] == Json{{"memory", 0}, {"cpu", 0}});
  CHECK(json["pid"] == 0);
  one.last_exit = ExitStatus{ExitStatus::Kind::signalled, 9, false};
  json = Json::parse(jlist({one}))[0];
  CHECK(json["pm2_env"]["exit_code"] == 137);
  CHECK(json["pm2_env"]["exit_signal"] == "SIGKILL");
  one.ever_spawned = false;
  CHECK_FALSE(Json::parse(jlist({one}))[0].contains("pid"));
}

TEST_CASE("bytes that are not UTF-8 do not break the JSON") {
  CHECK_NOTHROW(Json::parse(jlist({golden::instance(0, "\xff\xc0", InstanceState::online)})));
}

}  // namespace
}  // namespace pmx::cli
