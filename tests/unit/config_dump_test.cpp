#include <doctest/doctest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "common/config/dump.h"
#include "common/sys/file.h"
#include "tests/unit/config_test_directory.h"

namespace pmx {
namespace {

using nlohmann::json;
using test::Directory;
using Words = std::vector<std::string>;

DumpEntry full_entry() {
  DumpEntry entry;
  AppSpec& spec = entry.spec;
  spec.name = "web";
  spec.name_space = "shop";
  spec.version = "1.2.3";
  spec.script = "/srv/a.js";
  spec.shell = true;
  spec.args = {"-p", "80", "a b", std::string("\xff\x00", 2)};
  spec.interpreter = "node";
  spec.interpreter_path = "/usr/bin/node";
  spec.interpreter_args = {"--inspect"};
  spec.cwd = "/srv";
  spec.env = {{"A", "1"}, {"BYTES", "\xfe"}, {"LIST", "[1,2]"}, {"name", "x"}, {"status", "y"}};
  spec.exec_mode = ExecMode::cluster;
  spec.instances = 4;
  spec.instances_given = true;
  spec.instance_var = "NR";
  spec.out_file = "/l/o.log";
  spec.error_file = "/dev/null";
  spec.merge_logs = false;
  spec.autorestart = false;
  spec.max_restarts = 3;
  spec.min_uptime = Millis(4);
  spec.restart_delay = Millis(5);
  spec.exp_backoff_restart_delay = Millis(6);
  spec.stop_exit_codes = {0, 7};
  spec.kill_timeout = Millis(8);
  spec.listen_timeout = Millis(9);
  spec.wait_ready = true;
  spec.increment_var = "PORT";
  spec.balance = Balance::rr;
  spec.bind_via = BindVia::seccomp;
  spec.listen = {"tcp:127.0.0.1:80", "unix:/run/a b.sock"};
  spec.drain_timeout = Millis{12};
  spec.min_ready = Millis{13};
  spec.max_surge = 3;
  spec.max_unavailable = 2;
  spec.rollback = false;
  spec.shutdown_with_message = true;
  spec.kill_mode = KillMode::leader;
  spec.start_on_connection = true;
  spec.restart = RestartMode::on_abnormal;
  spec.success_exit_codes = {5};
  spec.max_backoff = Millis{14};
  spec.backoff_jitter = 15;
  spec.restart_limit = 16;
  spec.restart_window = Millis{17};
  spec.retry_after = Millis{18};
  spec.stop_steps = {{15, Millis{19}}, {3, Millis{20}}};
  spec.max_memory_restart = 21;
  spec.max_uptime = Millis{22};
  spec.cron_restart = "0 4 * * *";
  spec.time_zone = "Europe/Berlin";
  spec.watch = true;
  spec.watch_paths = {"/srv/a b"};
  spec.ignore_watch = {"*.log"};
  spec.watch_delay = Millis{23};
  spec.limits = {{{"nofile", "1:2"}}, -3,     "idle", "0-1", 500, "027", true, "me", "us",
                 {"a", "b"},          "150%", 31,     30,    32,  33};
  spec.job = {"0 3 * * *", Overlap::queue, CatchUp::one, Millis{34}, 35, Millis{36}};
  spec.user = "me";
  entry.state = InstanceState::waiting_restart;
  entry.instance_number = 2;
  entry.restarts = 11;
  entry.created_at = 1700000000000;
  entry.out_path = "/l/o-3.log";
  entry.error_path = "/dev/null";
  entry.pid_path = "/h/pids/web-3.pid";
  return entry;
}

void check_equal(const DumpEntry& a, const DumpEntry& b) {
  CHECK(a.spec == b.spec);
  CHECK(a.state == b.state);
  CHECK(a.instance_number == b.instance_number);
  CHECK(a.restarts == b.restarts);
  CHECK(a.created_at == b.created_at);
  CHECK(a.out_path == b.out_path);
  CHECK(a.error_path == b.error_path);
  CHECK(a.pid_path == b.pid_path);
}

TEST_CASE("what is written is read again, to the byte") {
  DumpEntry plain;
  plain.spec.name = "plain";
  plain.spec.script = "/bin/true";
  plain.spec.interpreter = "none";
  plain.spec.cwd = "/";
  const std::vector<DumpEntry> read = read_dump(dump_text({full_entry(), plain})).entries;
  REQUIRE(read.size() == 2);
  check_equal(read[0], full_entry());
  check_equal(read[1], plain);
  CHECK(read_dump(dump_text({})).entries.empty());
}

TEST_CASE("an instance variable that is named like a field hides nothing") {
  DumpEntry entry = full_entry();
  entry.spec.instance_var = "status";
  const std::vector<DumpEntry> read = read_dump(dump_text({entry})).entries;
  check_equal(read.at(0), entry);
}

TEST_CASE("the shape is pm2's") {
  const json out = json::parse(dump_text({full_entry()})).at(0);
  CHECK(out.at("pm_exec_path") == "/srv/a.js");
  CHECK(out.at("pm_cwd") == "/srv");
  CHECK(out.at("exec_interpreter") == "node");
  CHECK(out.at("exec_mode") == "cluster_mode");
  CHECK(out.at("node_args") == json{"--inspect"});
  CHECK(out.at("status") == "waiting restart");
  CHECK(out.at("restart_time") == 11);
  CHECK(out.at("pm_out_log_path") == "/l/o-3.log");
  CHECK(out.at("NR") == 2);
  CHECK(out.at("env").at("A") == "1");
  CHECK(out.at("name") == "web");
}

TEST_CASE("secrets are left out and named") {
  DumpEntry entry = full_entry();
  entry.spec.env = {{"DB_PASSWORD", "hunter2"},
                    {"DATABASE_URL", "postgres://u:hunter2@db/x"},
                    {"HOME", "/root"},
                    {"githubToken", "hunter2"}};
  const std::string text = dump_text({entry});
  CHECK(text.find("hunter2") == std::string::npos);
  const DumpEntry read = read_dump(text).entries.at(0);
  CHECK(read.spec.env == Env{{"HOME", "/root"}});
  CHECK(read.omitted_env == Words{"DATABASE_URL", "DB_PASSWORD", "githubToken"});
}

TEST_CASE("names and values that look secret") {
  for (const char* name :
       {"PASSWORD", "db_password", "MYSQL_PASSWD", "SECRET_KEY_BASE", "GITHUB_TOKEN", "accessToken",
        "AWS_CREDENTIALS", "SSH_PRIVATE_KEY", "privateKey", "API_KEY", "STRIPE_APIKEY",
        "AWS_ACCESS_KEY_ID", "BASIC_AUTH", "basicAuth", "AUTH", "DB_PASS", "MYSQL_PWD",
        "GPG_PASSPHRASE"}) {
    CAPTURE(name);
    CHECK(is_secret_name(name));
  }
  for (const char* name : {"PATH", "PWD", "OLDPWD", "AUTHOR", "GIT_AUTHOR_NAME", "COMPASS", "HOME",
                           "KEYBOARD", "DATABASE_URL", "PASSENGER_COUNT", ""}) {
    CAPTURE(name);
    CHECK_FALSE(is_secret_name(name));
  }
  for (const char* value : {"postgres://user:pw@host/db", "redis://:pw@host", "x amqp://a:b@c y"}) {
    CAPTURE(value);
    CHECK(is_secret_value(value));
  }
  for (const char* value : {"postgres://host/db", "https://host:80/a@b", "https://user@host/",
                            "http://user:@host", "a:b@c", "", "://"}) {
    CAPTURE(value);
    CHECK_FALSE(is_secret_value(value));
  }
}

TEST_CASE("pm2's own dump") {
  const DumpEntry entry = read_dump(R"([{
    "name": "api", "namespace": "default", "version": "N/A", "pm_exec_path": "/srv/api.js",
    "pm_cwd": "/srv", "exec_interpreter": "node", "exec_mode": "cluster_mode", "node_args": [],
    "args": ["-v"], "status": "online", "restart_time": 4, "created_at": null,
    "kill_timeout": "3000", "max_restarts": null, "stop_exit_codes": 3, "treekill": true,
    "pm_out_log_path": "/root/.pm2/logs/api-out-5.log", "pm_err_log_path": "/var/log/api-5.log",
    "NODE_APP_INSTANCE": 1, "merge_logs": false, "watch": false, "cron_restart": 0, "max_memory_restart": 1048576, "axm_actions": [], "vizion": true, "pmx": true,
    "env": {"PATH": "/bin", "PM2_HOME": "/root/.pm2", "PM2_USAGE": "CLI", "unique_id": "u",
            "NODE_APP_INSTANCE": 1, "api": {}, "PORT": 80}
  }])")
                              .entries.at(0);
  const AppSpec& spec = entry.spec;
  CHECK(spec.name == "api");
  CHECK(spec.version.empty());
  CHECK(spec.script == "/srv/api.js");
  CHECK(spec.interpreter_path.empty());
  CHECK(spec.args == Words{"-v"});
  CHECK(spec.exec_mode == ExecMode::cluster);
  CHECK(spec.instances == 1);
  CHECK(spec.instances_given);
  CHECK(spec.kill_timeout == Millis(3000));
  CHECK(spec.max_restarts == AppSpec::kDefaultMaxRestarts);
  CHECK(spec.stop_exit_codes == std::vector<int>{3});
  CHECK(spec.cron_restart.empty());
  CHECK(spec.max_memory_restart == 1'048'576);
  CHECK(spec.env == Env{{"PATH", "/bin"}, {"PORT", "80"}});
  CHECK(spec.out_file.empty());
  CHECK(spec.error_file == "/var/log/api.log");
  CHECK(entry.instance_number == 1);
  CHECK(entry.restarts == 4);
  CHECK(entry.state == InstanceState::online);
}

TEST_CASE("pm2's settings among the attributes, and those that pmx has not") {
  const std::string good = R"("pm_exec_path": "/a", "pm_cwd": "/", "exec_interpreter": "none")";
  // As `pm2 jlist` prints it.
  const SavedList saved = read_dump(
      R"([{"pid": 1, "pm2_env": {"name": "a", "watch": ["lib"], "ignore_watch": ["tmp"],
           "log_date_format": "YYYY", "log_type": "json", "uid": 1000, "gid": "www", "post_update": ["x"],
           "disable_logs": true, "pm_out_log_path": "/l/a-out-0.log", "v8": false, "watch_options": {}, )" +
      good + R"(}}, {"name": "b", "watch": true, "pm_id": 3, "pm_log_path": "/l/all-3.log", )" +
      good + R"(}, {"name": "m", "pmx_module": true, )" + good + "}]");
  REQUIRE(saved.entries.size() == 2);
  const AppSpec& spec = saved.entries[0].spec;
  CHECK(spec.watch);
  CHECK(spec.watch_paths == Words{"lib"});
  CHECK(spec.ignore_watch == Words{"tmp"});
  CHECK(spec.log_date_format == "YYYY");
  CHECK(spec.log_type == "json");
  CHECK(spec.limits.uid == "1000");
  CHECK(spec.limits.gid == "www");
  CHECK(spec.out_file == "/dev/null");
  CHECK(spec.error_file == "/dev/null");
  CHECK(saved.entries[0].unmapped == Words{"post_update"});
  CHECK(saved.entries[1].spec.log_file == "/l/all.log");
  CHECK(saved.entries[1].spec.watch);
  CHECK(saved.entries[1].spec.watch_paths.empty());
  CHECK(saved.entries[1].unmapped.empty());
  REQUIRE(saved.problems.size() == 1);
  CHECK(saved.problems[0] == "saved list: entry 2 (m): a module of pm2, which runs under pm2 only");
}

TEST_CASE("damaged lists are refused with the place") {
  const auto message = [](const std::string& text) -> std::string {
    try {
      const SavedList saved = read_dump(text);
      if (!saved.problems.empty()) return saved.problems.at(0);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  const std::string good = R"("pm_exec_path": "/a", "pm_cwd": "/", "exec_interpreter": "none")";
  CHECK(message("[{\"name\": \"a\", " + good + "}]") == "accepted");
  CHECK(message("") == "saved list: it is not a JSON list, or cut off");
  CHECK(message("{}") == "saved list: it is not a JSON list, or cut off");
  const std::string text = dump_text({full_entry()});
  CHECK(message(text.substr(0, text.size() / 2)) ==
        "saved list: it is not a JSON list, or cut off");
  CHECK(message("[3]") == "saved list: entry 0: expected an object");
  CHECK(message("[{\"name\": \"a\"}]") ==
        "saved list: entry 0 (a): field \"pm_exec_path\" is missing");
  CHECK(message("[{\"name\": \"a\", \"args\": 3, " + good + "}]") ==
        "saved list: entry 0 (a): field \"args\": expected a list of texts, or one text, not 3");
}

TEST_CASE("one odd entry costs only itself, and its secrets are not shown") {
  const std::string good = R"("pm_exec_path": "/a", "pm_cwd": "/", "exec_interpreter": "none")";
  const SavedList saved =
      read_dump("[{\"name\": \"a\", " + good + "}, {\"name\": \"b\", \"env\": \"hunter2\", " +
                good + "}, {\"name\": \"c\", \"env\": {\"A=B\": \"hunter2\"}, " + good +
                "}, {\"name\": \"d\\u0000\", " + good + "}, {\"name\": \"e\", " + good + "}]");
  REQUIRE(saved.entries.size() == 2);
  CHECK(saved.entries[0].spec.name == "a");
  CHECK(saved.entries[1].spec.name == "e");
  REQUIRE(saved.problems.size() == 3);
  CHECK(saved.problems[0] ==
        "saved list: entry 1 (b): field \"env\": expected an object, not a text");
  CHECK(saved.problems[1] ==
        "saved list: entry 2 (c): field \"env\": expected names without \"=\" and NUL bytes, not "
        "\"A=B\"");
  CHECK(saved.problems[2] == "saved list: entry 3: expected text without NUL bytes");
}

TEST_CASE("writing keeps the previous list, privately") {
  const Directory directory;
  const Paths paths = Paths::at(directory.path());
  write_dump(paths, "[1]");
  CHECK(sys::read_file(paths.dump()) == "[1]");
  CHECK(sys::read_file(paths.dump_backup()) == std::nullopt);
  REQUIRE(::chmod(paths.dump().c_str(), 0644) == 0);
  write_dump(paths, "[2]");
  CHECK(sys::read_file(paths.dump()) == "[2]");
  CHECK(sys::read_file(paths.dump_backup()) == "[1]");
  for (const std::string& path : {paths.dump(), paths.dump_backup()}) {
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
  }
  directory.file("dump.pmx", "[damaged");
  write_dump(paths, "[3]");
  CHECK(sys::read_file(paths.dump()) == "[3]");
  CHECK(sys::read_file(paths.dump_backup()) == "[1]");
}

TEST_CASE("entries come from detailed statuses") {
  const DumpEntry full = full_entry();
  InstanceStatus status;
  status.state = full.state;
  status.instance_number = full.instance_number;
  status.restarts = full.restarts;
  status.created_at = full.created_at;
  status.detail = InstanceStatus::Detail{
      full.spec, full.out_path, full.error_path, full.pid_path, "u", "", {}, {}};
  check_equal(dump_entry_of(status), full);
}

}  // namespace
}  // namespace pmx
