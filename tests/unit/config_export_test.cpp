#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "common/config/ecosystem.h"
#include "common/config/ecosystem_export.h"
#include "common/config/ecosystem_keys.h"
#include "tests/unit/config_test_directory.h"

namespace pmx {
namespace {

using Json = nlohmann::json;
using test::Directory;

class Files {
 public:
  Files() {
    directory_.program("bin/node");
    directory_.program("bin/bash");
    directory_.program("bin/python3");
    directory_.program("tool", "#!/bin/sh\n");
    directory_.file("a.js", "");
    directory_.file("a.py", "");
    directory_.file("v.env", "FROM_FILE=1\n");
  }

  [[nodiscard]] AppSpec read(const std::string& text) const {
    const EcosystemContext context{
        directory_.path(),
        {{"PATH", directory_ / "bin"}, {"HOME", "/h"}, {"API_TOKEN", "hunter2"}},
        {}};
    Ecosystem file = parse_ecosystem(text, "a.json", context);
    CHECK(file.warnings.empty());
    REQUIRE(file.apps.size() == 1);
    return make_app_spec(file.apps[0]);
  }

 private:
  Directory directory_;
};

TEST_CASE("what is exported is read as the same app") {
  const Files files;
  for (const char* keys : {
           R"("script": "a.js")",
           R"("script": "a.py", "interpreter_args": ["-u"], "args": ["a b", "$x"])",
           R"("script": "./tool", "interpreter": "none")",
           R"("script": "echo hello | cat", "name": "shell")",
           R"("script": "a.js", "instances": 3, "exec_mode": "cluster", "balance": "shared",
              "drain_timeout": "5s", "max_surge": 2, "rollback": false)",
           R"("script": "a.js", "env": {"A": "$x ${HOME}/y $${z}", "API_TOKEN": "${API_TOKEN}",
              "DB": {"file": "db"}}, "env_file": "v.env", "inherit_env": ["PATH", "API_*"])",
           R"("script": "a.js", "filter_env": ["TOKEN"], "port": 80, "source_map_support": true)",
           R"("script": "a.js", "type": "job", "schedule": "0 3 * * *", "overlap": "queue",
              "catch_up": true, "timeout": "1h", "retries": 2, "retry_delay": "5s")",
           R"("script": "a.js", "watch": ["src"], "ignore_watch": ["*.tmp"], "watch_delay": 300,
              "autostart": false, "autorestart": false, "pid_file": "x.pid", "merge_logs": true,
              "out_file": "o.log", "error_file": "NULL", "time": true, "log_type": "json")",
           R"("script": "a.js", "watch": true, "treekill": false, "cron": "0 4 * * *",
              "time_zone": "Europe/Berlin", "stop_steps": ["SIGTERM 5s", "SIGQUIT 1s"],
              "stop_exit_codes": [0, 3], "max_memory_restart": "1.5G", "requires": ["b"],
              "depends_on": ["c:started"], "listen": ["unix:/tmp/x"], "exec_mode": "fork",
              "start_on_connection": true, "ready": "tcp:80", "ready_timeout_action": "online",
              "health": "tcp:80", "health_action": "report", "health_interval": "1m")",
           R"("script": "a.js", "nice": 5, "umask": "027", "limits": {"nofile": "512"},
              "oom_score_adj": 7, "cpu_affinity": "0", "no_new_privs": true, "memory_max": "1G",
              "cpu_max": "150%", "pids_max": 9, "io_weight": 50, "ionice": "idle")",
       }) {
    CAPTURE(keys);
    const AppSpec spec = files.read(std::string("[{") + keys + "}]");
    const std::string text = export_json({spec});
    CAPTURE(text);
    CHECK(text.find("hunter2") == std::string::npos);
    AppSpec again = files.read(text);
    again.instances_given = spec.instances_given;
    CHECK(again == spec);
    CHECK(export_json({again}) == text);
  }
}

TEST_CASE("an export says nothing that is so anyway") {
  const Files files;
  const Json app = Json::parse(export_json({files.read(R"([{"script": "a.js"}])")})).at("apps")[0];
  std::vector<std::string> keys;
  for (const auto& [key, value] : app.items()) keys.push_back(key);
  CHECK(keys == std::vector<std::string>{"cwd", "exec_mode", "interpreter", "name", "script"});
}

TEST_CASE("each key is written, or another one says the same") {
  const std::vector<std::string_view> said_by_others{"append_env_to_name",
                                                     "disable_logs",
                                                     "execute_command",
                                                     "filter_env",
                                                     "name_prefix",
                                                     "port",
                                                     "time",
                                                     "source_map_support",
                                                     "treekill",
                                                     "watch_options"};
  for (const EcosystemKey& key : ecosystem_keys()) {
    CAPTURE(key.name);
    const bool others =
        std::find(said_by_others.begin(), said_by_others.end(), key.name) != said_by_others.end();
    CHECK((key.write == nullptr) == others);
  }
}

}  // namespace
}  // namespace pmx
