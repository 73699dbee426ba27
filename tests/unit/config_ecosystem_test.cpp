#include <doctest/doctest.h>
#include <fmt/format.h>

#include <csignal>

#include "common/base/error.h"
#include "common/config/config_document.h"
#include "common/config/ecosystem.h"
#include "common/config/json_reader.h"
#include "tests/unit/config_test_directory.h"

namespace pmx {
namespace {

using test::Directory;
using Words = std::vector<std::string>;

Ecosystem parse(const std::string& text, const std::string& env_name = {}) {
  return parse_ecosystem(text, "apps.json", {"/srv", {{"SHELL_VAR", "1"}}, env_name});
}

// The one app of a file with these keys beside the script.
LaunchRequest app(const std::string& keys, const std::string& env_name = {}) {
  Ecosystem file = parse(R"({"apps": [{"script": "a.js", )" + keys + "}]}", env_name);
  CHECK(file.warnings == Words{});
  REQUIRE(file.apps.size() == 1);
  return file.apps[0];
}

Words warnings(const std::string& keys) {
  return parse(R"({"apps": [{"script": "a.js", )" + keys + "}]}").warnings;
}

std::string problem(const std::string& text, const std::string& env_name = {}) {
  try {
    parse(text, env_name);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_spec);
    return error.what();
  }
  return "accepted";
}

TEST_CASE("every shape of a file") {
  for (const char* text : {
           R"({"apps": [{"script": "a.js"}]})",
           R"({"apps": {"script": "a.js"}})",
           R"([{"script": "a.js"}])",
           R"({"script": "a.js"})",
           R"({"name": "package", "pm2": {"exec": "a.js"}})",
           R"({"pm2": {"apps": [{"cmd": "a.js"}]}})",
           "// a comment\n{/* another */ \"apps\": [{\"command\": \"a.js\"}]}",
       }) {
    CAPTURE(text);
    const Ecosystem file = parse(text);
    REQUIRE(file.apps.size() == 1);
    CHECK(file.apps[0].target == "a.js");
    CHECK(file.apps[0].options.name == "a");
    CHECK(file.apps[0].current_dir == "/srv");
    CHECK(file.apps[0].environment.at("SHELL_VAR") == "1");
  }
  CHECK(parse(R"({"name": "p", "version": "1.0.0", "scripts": {"x": "y"},
                  "apps": [{"script": "a.js"}]})")
            .apps.size() == 1);  // a package.json
  CHECK(parse(R"({"apps": []})").apps.empty());
  for (const char* text : {"{}", "3", R"({"name": "x"})", "null"}) {
    CAPTURE(text);
    CHECK(problem(text) == "apps.json: there are no apps in it");
  }
}

TEST_CASE("every key arrives where it belongs") {
  const LaunchRequest one = app(R"(
    "name": "web", "namespace": "shop", "args": ["-p", 80, true], "interpreter": "python3",
    "interpreter_args": "-u '-X dev'", "cwd": "app", "exec_mode": "fork_mode", "instances": 3,
    "instance_var": "NR", "out_file": "o.log", "error_file": "e.log", "merge_logs": false,
    "autorestart": false, "max_restarts": 5, "min_uptime": "10s", "restart_delay": 100,
    "exp_backoff_restart_delay": "200", "stop_exit_codes": [0, 3], "kill_timeout": 3000,
    "listen_timeout": "1m", "wait_ready": true, "shutdown_with_message": true, "treekill": false,
    "env": {"A": "x", "N": 3000, "F": 1.5, "B": true, "O": {"k": [1]}, "L": [1, 2], "Z": null})");
  CHECK(one.interpreter == "python3");
  CHECK(one.cwd == "app");
  CHECK(one.exec_mode == ExecMode::fork);
  CHECK(one.instances == "3");
  CHECK(one.env == Env{{"A", "x"},
                       {"B", "true"},
                       {"F", "1.5"},
                       {"L", "[1,2]"},
                       {"N", "3000"},
                       {"O", R"({"k":[1]})"}});
  const AppSpec& spec = one.options;
  CHECK(spec.name == "web");
  CHECK(spec.name_space == "shop");
  CHECK(spec.args == Words{"-p", "80", "true"});
  CHECK(spec.interpreter_args == Words{"-u", "-X dev"});
  CHECK(spec.instance_var == "NR");
  CHECK(spec.out_file == "o.log");
  CHECK(spec.error_file == "e.log");
  CHECK(spec.merge_logs == false);
  CHECK_FALSE(spec.autorestart);
  CHECK(spec.max_restarts == 5);
  CHECK(spec.min_uptime == Millis(10000));
  CHECK(spec.restart_delay == Millis(100));
  CHECK(spec.exp_backoff_restart_delay == Millis(200));
  CHECK(spec.stop_exit_codes == std::vector<int>{0, 3});
  CHECK(spec.kill_timeout == Millis(3000));
  CHECK(spec.listen_timeout == Millis(60000));
  CHECK(spec.wait_ready);
  CHECK(spec.shutdown_with_message);
  CHECK(spec.kill_mode == KillMode::leader);
}

TEST_CASE("logs: a file of both streams, and limits") {
  CHECK(app(R"("log_file": true)").options.log_file == "");
  CHECK(app(R"("log": "x.log")").options.log_file == "x.log");
  CHECK_FALSE(app(R"("log_file": false)").options.log_file);
  LaunchRequest without = app(R"("log_file": "x.log", "error_file": "x", "disable_logs": true)");
  without.target = "/bin/true";
  const AppSpec none = make_app_spec(without);
  CHECK_FALSE(none.log_file);
  CHECK(none.out_file == "/dev/null");
  CHECK(none.error_file == "/dev/null");
  const LogLimits limits = app(R"("max_log_size": "10M", "rotate_interval": "0 0 * * *",
    "log_retain": 5, "logCompress": true, "log_when_full": "drop")")
                               .options.log_limits;
  CHECK(limits == LogLimits{10U << 20U, "0 0 * * *", 5, true, LogWhenFull::drop});
}

TEST_CASE("aliases, camelCase and other spellings") {
  for (const char* key : {"out_file", "outFile", "out", "output", "out_log", "outLog"}) {
    CAPTURE(key);
    CHECK(app("\"" + std::string(key) + "\": \"x\"").options.out_file == "x");
  }
  for (const char* key : {"error_file", "errorFile", "error", "err", "err_file", "err_log"}) {
    CAPTURE(key);
    CHECK(app("\"" + std::string(key) + "\": \"x\"").options.error_file == "x");
  }
  CHECK(app(R"("nodeArgs": ["-r", "x"])").options.interpreter_args == Words{"-r", "x"});
  CHECK(app(R"("exec_interpreter": "bash")").interpreter == "bash");
  CHECK(app(R"("combineLogs": true)").options.merge_logs == true);
  CHECK(app(R"("execMode": "cluster")").exec_mode == ExecMode::cluster);
  CHECK(app(R"("expBackoffRestartDelay": 7)").options.exp_backoff_restart_delay == Millis(7));
  CHECK(app(R"("args": "a 'b c'")").options.args == Words{"a", "b c"});
  CHECK(app(R"("instances": "max")").instances == "max");
  CHECK(app(R"("instances": -1)").instances == "-1");
  CHECK(app(R"("stop_exit_codes": 3)").options.stop_exit_codes == std::vector<int>{3});
  CHECK(app(R"("stop_exit_codes": "0, 3")").options.stop_exit_codes == std::vector<int>{0, 3});
  CHECK(app(R"("max_restarts": "5")").options.max_restarts == 5);
  CHECK(app(R"("interpreter": null)").interpreter == std::nullopt);
}

TEST_CASE("the environment that was chosen") {
  const std::string keys = R"("env": {"A": "1", "B": "1"}, "env_prod": {"B": "2"},
                              "env_camelCase": {"B": "3"})";
  CHECK(app(keys).env == Env{{"A", "1"}, {"B", "1"}});
  CHECK(app(keys, "prod").env == Env{{"A", "1"}, {"B", "2"}});
  CHECK(app(keys, "camelCase").env == Env{{"A", "1"}, {"B", "3"}});
  const Ecosystem file = parse(R"([{"script": "a.js", "env": {"A": "1"}}])", "prod");
  CHECK(file.apps[0].env == Env{{"A", "1"}});
  REQUIRE(file.warnings.size() == 1);
  CHECK(file.warnings[0].find("\"env_prod\"") != std::string::npos);
  CHECK(problem(R"([{"script": "a", "env_prod": 3}])", "prod").find("env_prod") !=
        std::string::npos);
}

TEST_CASE("keys that are not known or not supported are said") {
  CHECK(warnings(R"("name": "web", "max_restart": 3)") ==
        Words{"apps.json:1: app \"web\": key \"max_restart\" is not known, ignored (did you mean "
              "\"max_restarts\"?)"});
  CHECK(warnings(R"("colour": 3)") ==
        Words{"apps.json:1: apps[0]: key \"colour\" is not known, ignored"});
  CHECK(
      warnings(R"("force": true)") ==
      Words{"apps.json:1: apps[0]: key \"force\" is ignored: a file says what there shall be once; "
            "`pmx start -f` makes a second copy"});
  CHECK(warnings(R"("force": true, "postUpdate": ["make"])").size() == 2);
  CHECK(
      warnings(R"("watch_options": {"usePolling": true, "interval": 100, "x": 1})") ==
      Words{"apps.json:1: apps[0]: key \"watch_options\" is ignored in part: usePolling: the "
            "kernel reports changes, nothing is polled",
            "apps.json:1: apps[0]: key \"watch_options\" is ignored in part: x: it has no meaning "
            "here"});
  // What is off, or of pm2's inside, is not missed.
  CHECK(warnings(R"("watch": false, "cron_restart": 0, "ignore_watch": ["x"], "time": null,
                     "autostart": true, "vizion": true, "pmx": false, "windowsHide": true)")
            .empty());
}

TEST_CASE("variables of the shell, and secrets") {
  const auto inherited = [](const std::string& keys) { return app(keys).options.inherit_env; };
  CHECK(inherited(R"("inherit_env": ["PATH", "LC_*"])") == Words{"PATH", "LC_*"});
  CHECK(inherited(R"("inherit_env": "PATH HOME")") == Words{"PATH", "HOME"});
  CHECK(inherited(R"("inherit_env": true, "filter_env": false)").empty());
  CHECK(inherited(R"("inherit_env": [])") == Words{"!*"});
  CHECK(inherited(R"("inherit_env": false)") == Words{"!*"});
  CHECK(inherited(R"("filter_env": true)") == Words{"!*"});
  CHECK(inherited(R"("filterEnv": "HOME")") == Words{"!HOME"});
  CHECK(inherited(R"("filter_env": ["A", "B"], "inherit_env": ["X*"])") ==
        Words{"!*A*", "!*B*", "X*"});
  const LaunchRequest one = app(R"("env": {"A": "${SHELL_VAR}", "B": {"file": "/b"},
      "C": {"file": "c", "x": 1}, "D": {"file": "d"}, "P": "pa$$word"},
      "env_prod": {"A": {"file": "/run/${SHELL_VAR}"}, "D": 4}, "env_file": ".env")",
                                "prod");
  CHECK(one.env == Env{{"C", R"({"file":"c","x":1})"}, {"D", "4"}, {"P", "pa$$word"}});
  CHECK(one.options.secret_files == Env{{"A", "/run/1"}, {"B", "/b"}});
  CHECK(one.env_files == Words{".env"});
  CHECK(problem(R"([{"script": "a", "inherit_env": ["A=1"]}])").find("expected") !=
        std::string::npos);
  CHECK(problem(R"([{"name": "w", "script": "a", "env": {"A": "x${NO}"}}])") ==
        "apps.json:1: app \"w\": key \"env\": A: expected a variable NO in the environment, or "
        "${NO:-default}");
}

TEST_CASE("names with a prefix and an environment") {
  const LaunchRequest one =
      app(R"("name": "web", "name_prefix": "shop", "append_env_to_name": true, "env_prod": {})",
          "prod");
  CHECK(one.options.name == "shop:web-prod");
  CHECK(one.listed_name == "web");
  CHECK(app(R"("append_env_to_name": true)").options.name == "a");
  CHECK(problem("[{\"script\": \"a.js\"},\n{\"script\": \"b/a.js\"}]") ==
        "apps.json:2: apps[1]: key \"name\": another app of this file has it");
}

TEST_CASE("the other keys of pm2") {
  CHECK(app(R"("pid": "x.pid")").options.pid_file == "x.pid");
  CHECK_FALSE(app(R"("autostart": false)").options.autostart);
  CHECK(app(R"("execute_command": true, "exec_mode": "cluster")").exec_mode == ExecMode::fork);
  CHECK(app(R"("source_map_support": true)").source_maps);
  const AppSpec spec = app(R"("watch_options": {"ignored": ["a"], "followSymlinks": false,
      "awaitWriteFinish": {"stabilityThreshold": 700}, "persistent": true}, "ignore_watch": ["b"])")
                           .options;
  CHECK(spec.ignore_watch == Words{"b", "a"});
  CHECK(spec.watch_delay == Millis{700});
}

TEST_CASE("upkeep and limits") {
  const AppSpec spec = app(R"("max_memory_restart": "1.5G", "cron": "0 4 * * *", "watch": ["src"],
      "ignore_watch": "a b", "uid": 33, "nice": -5, "limits": {"nofile": 4096},
      "stop_steps": ["SIGTERM 5s", "quit 1m"], "max_uptime": "24h")")
                           .options;
  CHECK(spec.max_memory_restart == 1'610'612'736);
  CHECK(spec.cron_restart == "0 4 * * *");
  CHECK(spec.watch);
  CHECK(spec.watch_paths == Words{"src"});
  CHECK(spec.ignore_watch == Words{"a", "b"});
  CHECK(spec.limits.uid == "33");
  CHECK(spec.limits.nice == -5);
  CHECK(spec.limits.rlimits == Env{{"nofile", "4096"}});
  CHECK(spec.stop_steps ==
        std::vector<StopSignal>{{SIGTERM, Millis{5000}}, {SIGQUIT, Millis{60'000}}});
  CHECK(spec.max_uptime == Millis{86'400'000});
  CHECK_FALSE(app(R"("watch": false, "cron_restart": 0)").options.watch);
  for (const char* bad : {R"("stop_steps": ["SIGTERM"])", R"("stop_steps": ["SIGFOO 1s"])",
                          R"("max_memory_restart": "-1M")", R"("max_memory_restart": "1X")",
                          R"("watch": 3)", R"("nice": "low")", R"("uid": -1)"}) {
    CAPTURE(bad);
    CHECK(problem(fmt::format(R"([{{"script": "a", {}}}])", bad)).find("expected") !=
          std::string::npos);
  }
}

TEST_CASE("all problems are reported at once") {
  const std::string what = problem(R"({"apps": [
    {"name": "web", "script": "a.js", "max_restarts": "abc", "autorestart": "yes"},
    {"name": "fine", "script": "b.js"},
    {"name": "api", "instances": "many"},
    17]})");
  CHECK(
      what ==
      "apps.json: 5 problems, nothing was done:\n"
      "  apps.json:2: app \"web\": key \"autorestart\": expected true or false, not \"yes\"\n"
      "  apps.json:2: app \"web\": key \"max_restarts\": expected a whole number, not negative, "
      "not \"abc\"\n"
      "  apps.json:4: app \"api\": key \"instances\": expected a number from 1 to 1024, \"max\" or "
      "0, or -1, -2, ..., not \"many\"\n"
      "  apps.json:4: app \"api\": key \"script\" is missing\n"
      "  apps.json:5: apps[3]: expected an object, not 17");
}

TEST_CASE("values of a wrong kind") {
  for (const char* keys :
       {R"("name": 3)", R"("args": {})", R"("args": [["x"]])", R"("env": "A=1")", R"("env": ["A"])",
        R"("exec_mode": "both")", R"("instances": 0.5)", R"("instances": 1025)",
        R"("instances": true)", R"("max_restarts": -1)", R"("max_restarts": 1.5)",
        R"("min_uptime": "5 s")", R"("kill_timeout": -1)", R"("kill_timeout": 99999999999)",
        R"("stop_exit_codes": [256])", R"("stop_exit_codes": ["x"])", R"("wait_ready": 1)",
        R"("cwd": 1)", R"("merge_logs": "true")"}) {
    CAPTURE(keys);
    const std::string what = problem(R"([{"script": "a.js", )" + std::string(keys) + "}]");
    CHECK(what.find("expected") != std::string::npos);
    CHECK(what.starts_with("apps.json:1: app"));
  }
}

TEST_CASE("programs are examined only when asked to, and every bad one is named") {
  const Directory directory;
  directory.program("bin/node");
  directory.file("good.js", "");
  EcosystemReport report = examine_ecosystem(
      read_json("[{\"script\": \"good.js\"},\n{\"name\": \"two\", \"script\": \"two.js\"},\n"
                "{\"script\": \"three.js\"}]",
                "apps.json"),
      {directory.path(), {{"PATH", directory / "bin"}}, {}});
  CHECK_FALSE(report.has_errors());
  CHECK(report.lines == std::vector<int>{1, 2, 3});
  examine_programs(report);
  REQUIRE(report.findings.size() == 2);
  CHECK(
      to_text(report.findings[0], "apps.json")
          .starts_with("apps.json:2: app \"two\": " + (directory / "two.js") + " does not exist"));
  CHECK(to_text(report.findings[1], "apps.json").starts_with("apps.json:3: app \"three\": "));
}

TEST_CASE("one thing said twice under two names") {
  const auto said = [](const std::string& keys) { return warnings(keys); };
  CHECK(
      said(R"("out": "a", "out_file": "b")") ==
      Words{"apps.json:1: apps[0]: key \"out\" is another name of \"out_file\", which is there too "
            "and counts"});
  CHECK(parse(R"([{"script": "a", "output": "1", "out": "2"}])").apps[0].options.out_file == "2");
  CHECK(said(R"("out": null, "out_file": "b")").empty());
  CHECK(problem("[{\"script\": \"a\",\n\"name\": \"x\",\n\"name\": \"y\"}]") ==
        "apps.json:3: key \"name\" is given twice, first on line 2");
}

TEST_CASE("lines of keys, and environments that were not chosen are checked too") {
  CHECK(problem("{\n\"apps\": [\n{\n\"script\": \"a\",\n\"name\": \"web\",\n\"env\": {},\n"
                "\"env_x\": [],\n}]}") ==
        "apps.json:7: app \"web\": key \"env_x\": expected an object, not a list");
}

TEST_CASE("what no process can be given is refused with file, app and key") {
  const auto of = [](const std::string& keys, const std::string& env_name = {}) {
    return problem(R"([{"name": "web", "script": "a.js", )" + keys + "}]", env_name);
  };
  const std::string begin = "apps.json:1: app \"web\": key ";
  const std::string text = "expected text without NUL bytes";
  CHECK(of(R"("args": ["a", "b\u0000c"])") == begin + "\"args\": " + text);
  CHECK(of(R"("cwd": "/tmp\u0000")") == begin + "\"cwd\": " + text);
  CHECK(of(R"("out_file": "/tmp\u0000")") == begin + "\"out_file\": " + text);
  CHECK(of(R"("exec": "a\u0000.js")") == begin + "\"exec\": " + text);
  CHECK(of(R"("env": {"A": "1\u00002"})") == begin + "\"env\": expected A without NUL bytes");
  CHECK(of(R"("env": {"": "x"})") == begin + "\"env\": expected names that are not empty");
  const std::string names = "expected names without \"=\" and NUL bytes, not ";
  CHECK(of(R"("env": {"A=B": "hunter2"})") == begin + "\"env\": " + names + "\"A=B\"");
  CHECK(of(R"("env": {"A\u0000": "x"})") == begin + "\"env\": " + names + "\"A\\u0000\"");
  CHECK(of(R"("env_prod": {"A=": 1})", "prod") == begin + "\"env_prod\": " + names + "\"A=\"");
  for (const char* name_space : {"a\\nb", "a\\u001bb", "a\\u007f", "\\u0000"}) {
    CAPTURE(name_space);
    CHECK(of(std::string(R"("namespace": ")") + name_space + "\"") ==
          begin + "\"namespace\": expected one line without control characters");
  }
}

TEST_CASE("a mistyped environment is not shown: it may hold secrets") {
  CHECK(problem(R"([{"name": "web", "script": "a.js", "env": "KEY=hunter2"}])") ==
        "apps.json:1: app \"web\": key \"env\": expected an object, not a text");
  CHECK(problem(R"([{"name": "web", "script": "a.js", "env_prod": ["hunter2"]}])", "prod") ==
        "apps.json:1: app \"web\": key \"env_prod\": expected an object, not a list");
}

}  // namespace
}  // namespace pmx
