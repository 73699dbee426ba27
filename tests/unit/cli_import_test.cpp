// supervisord's configuration: its grammar and what becomes of each setting.
#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include "cli/import/ini_file.h"
#include "cli/import/supervisord.h"
#include "common/base/error.h"
#include "common/sys/file.h"
#include "config_test_directory.h"

using namespace pmx;
using namespace pmx::cli;

namespace {

Imported read(const std::string& text, const Env& env = {}) {
  const test::Directory directory;
  const std::string path = directory.path() + "/supervisord.conf";
  sys::replace_file(path, text, 0600);
  return read_supervisord(path, env);
}

std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("ini: comments, continued lines, keys in any case") {
  const auto sections =
      read_ini("; c\n# c\n[a:b]\nKey = 1 ; c\nother: x;y\nlist =\n  one,\n  two ; c\n\n[c]\n", "f");
  REQUIRE(sections.size() == 2);
  CHECK(sections[0].name == "a:b");
  CHECK(sections[0].values.at("key") == "1");
  CHECK(sections[0].values.at("other") == "x;y");
  CHECK(sections[0].values.at("list") == "one,\ntwo");
  CHECK_THROWS_WITH_AS(read_ini("a=1\n", "f"), "f:1: a value before the first [section]", Error);
  CHECK_THROWS_WITH_AS(read_ini("[a]\n\nb\n", "f"), "f:3: expected key=value or [section]", Error);
  CHECK_THROWS_AS(read_ini("[a\n", "f"), Error);
}

TEST_CASE("a program with its usual settings") {
  const Imported imported = read(R"([program:web]
command=/usr/bin/env python3 -m "my app" --port %(ENV_PORT)s ; as is
directory=/srv
autostart=false
autorestart=unexpected
startsecs=5
startretries=7
exitcodes=0,2
stopsignal=QUIT
stopwaitsecs=20
environment=A="1,2",B='x y', C=%(program_name)s
user=www-data
numprocs=3
priority=5
stdout_logfile=/var/log/web.log
redirect_stderr=true
stdout_logfile_maxbytes=1MB
umask=027
[group:front]
programs=web,other
[program:first]
command=sleep 1
priority=1
autorestart=false
stderr_logfile=NONE
)",
                                 {{"PORT", "80"}});
  REQUIRE(imported.apps.size() == 2);
  const LaunchRequest& first = imported.apps[0].request;
  CHECK(first.options.name == "first");
  CHECK(first.target == "sleep");
  CHECK_FALSE(first.options.autorestart);
  CHECK(first.options.error_file == "/dev/null");
  CHECK(imported.apps[0].autostart);
  const Imported::App& web = imported.apps[1];
  const AppSpec& spec = web.request.options;
  CHECK(web.request.target == "/usr/bin/env");
  CHECK(spec.args == std::vector<std::string>{"python3", "-m", "my app", "--port", "80"});
  CHECK(web.request.cwd == "/srv");
  CHECK(web.request.env == Env{{"A", "1,2"}, {"B", "x y"}, {"C", "web"}});
  CHECK(web.request.instances == "3");
  CHECK_FALSE(web.autostart);
  CHECK(spec.name_space == "front");
  CHECK(spec.restart == RestartMode::on_failure);
  CHECK(spec.success_exit_codes == std::vector<int>{2});
  CHECK(spec.min_uptime == std::chrono::seconds(5));
  CHECK(spec.max_restarts == 7);
  CHECK(spec.stop_steps == std::vector<StopSignal>{{SIGQUIT, std::chrono::seconds(20)}});
  CHECK(spec.limits.uid == "www-data");
  CHECK(spec.limits.umask == "027");
  CHECK(spec.out_file == "/var/log/web.log");
  CHECK(spec.error_file == spec.out_file);
  CHECK(web.unmapped == std::vector<std::string>{"stdout_logfile_maxbytes"});
}

TEST_CASE("processes with a number in their command are apps of their own") {
  const Imported imported = read(
      "[program:w]\ncommand=run --id %(process_num)02d 100%%\nnumprocs=2\n"
      "process_name=%(program_name)s_%(process_num)d\nnumprocs_start=8\n");
  REQUIRE(imported.apps.size() == 2);
  CHECK(imported.apps[0].request.options.name == "w-8");
  CHECK(imported.apps[1].request.options.args == std::vector<std::string>{"--id", "09", "100%"});
  CHECK_FALSE(imported.apps[1].request.instances);
}

TEST_CASE("included files, and what pmx has nothing for") {
  const test::Directory directory;
  sys::replace_file(directory.path() + "/main.conf",
                    "[include]\nfiles = x*.ini\n[eventlistener:e]\ncommand=x\n", 0600);
  sys::replace_file(directory.path() + "/x1.ini", "[program:a]\ncommand=%(here)s/a\n", 0600);
  const Imported imported = read_supervisord(directory.path() + "/main.conf", {});
  REQUIRE(imported.apps.size() == 1);
  CHECK(imported.apps[0].request.target == directory.path() + "/a");
  CHECK(imported.remarks.size() == 1);
}

TEST_CASE("what is wrong is named") {
  CHECK(refusal("[program:a]\n").find("[program:a] command: expected a program") !=
        std::string::npos);
  CHECK(refusal("[program:a]\ncommand=x %(ENV_NO)s\n").find("%(ENV_NO)s has no value") !=
        std::string::npos);
  for (const char* bad : {"numprocs=x", "stopsignal=NO", "exitcodes=999", "autorestart=maybe",
                          "environment=A", "environment=A=\"x", "directory=%", "startsecs=-1"})
    CHECK(refusal(std::string("[program:a]\ncommand=x\n") + bad + "\n").find("expected") !=
          std::string::npos);
}
