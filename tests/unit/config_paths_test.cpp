#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "common/base/error.h"
#include "common/config/cpu_count.h"
#include "common/config/paths.h"
#include "common/config/words.h"
#include "tests/unit/config_test_directory.h"

namespace pmx {
namespace {

using test::Directory;
using Words = std::vector<std::string>;

class Variable {
 public:
  Variable(std::string name, const char* value) : name_(std::move(name)) {
    if (const char* old = std::getenv(name_.c_str())) old_ = old;
    value == nullptr ? ::unsetenv(name_.c_str()) : ::setenv(name_.c_str(), value, 1);
  }
  ~Variable() { old_ ? ::setenv(name_.c_str(), old_->c_str(), 1) : ::unsetenv(name_.c_str()); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  std::string name_;
  std::optional<std::string> old_;
};

mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

std::string message_of(void (*act)(const Paths&), const Paths& paths) {
  try {
    act(paths);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("the home is PMX_HOME, else .pmx in HOME") {
  const Variable home("HOME", "/home/someone");
  {
    const Variable own("PMX_HOME", "/srv/pmx/");
    CHECK(Paths::from_environment().home() == "/srv/pmx");
  }
  for (const char* unset : {static_cast<const char*>(nullptr), ""}) {
    const Variable own("PMX_HOME", unset);
    CHECK(Paths::from_environment().home() == "/home/someone/.pmx");
    CHECK(Paths::from_environment().socket() == "/home/someone/.pmx/pmx.sock");
  }
  const Variable own("PMX_HOME", nullptr);
  const Variable none("HOME", nullptr);
  CHECK_THROWS_AS(Paths::from_environment(), Error);
}

TEST_CASE("a relative home counts from the present directory") {
  CHECK(Paths::at("x/../y").home() == std::filesystem::current_path().string() + "/y");
}

TEST_CASE("the socket's path may have 107 bytes and not one more") {
  const std::string ending = "/pmx.sock";
  const std::string longest = "/" + std::string(107 - ending.size() - 1, 'a');
  CHECK(Paths::at(longest).socket().size() == 107);
  try {
    Paths::at(longest + "a");
    FAIL("accepted");
  } catch (const Error& error) {
    const std::string what = error.what();
    CHECK(what.find(longest + "a/pmx.sock") != std::string::npos);
    CHECK(what.find("108 bytes") != std::string::npos);
    CHECK(what.find("107") != std::string::npos);
    CHECK(error.hint() == "set PMX_HOME to a shorter path");
  }
}

TEST_CASE("ensure_home makes private directories, with those above, and is repeatable") {
  const Directory directory;
  const Paths paths = Paths::at(directory / "a/b/home");
  paths.ensure_home();
  paths.ensure_home();
  CHECK(mode_of(paths.home()) == 0700);
  CHECK(mode_of(paths.logs()) == 0700);
  CHECK(mode_of(paths.pids()) == 0700);
}

TEST_CASE("ensure_home says what is wrong") {
  const Directory directory;
  const auto ensure = [](const Paths& paths) { paths.ensure_home(); };
  const Paths file = Paths::at(directory.file("file", ""));
  CHECK(message_of(ensure, file) == file.home() + " is not a directory");
  const Paths below = Paths::at(file.home() + "/home");
  CHECK(message_of(ensure, below).starts_with("cannot create " + below.home()));
  directory.file("home/logs", "");
  const Paths logs = Paths::at(directory / "home");
  CHECK(message_of(ensure, logs) == logs.logs() + " is not a directory");
  const Paths foreign = Paths::at(directory / "foreign");
  foreign.ensure_home();
  if (::geteuid() == 0) {
    REQUIRE(::chown(foreign.home().c_str(), 12345, 12345) == 0);
    CHECK(message_of(ensure, foreign).find("belongs to user id 12345") != std::string::npos);
  } else {
    REQUIRE(::chmod(foreign.home().c_str(), 0500) == 0);
    CHECK(message_of(ensure, foreign).starts_with("cannot write to " + foreign.home()));
  }
}

TEST_CASE("names of log files follow pm2") {
  struct Row {
    const char* what;
    bool instances_given;
    ExecMode mode;
    std::optional<bool> merge;
    const char* out_file;
    const char* out;
    const char* error;
  };
  constexpr ExecMode fork = ExecMode::fork;
  constexpr ExecMode cluster = ExecMode::cluster;
  const Row rows[] = {
      {"plain", false, fork, {}, "", "/h/logs/web-out.log", "/h/logs/web-error.log"},
      {"instances", true, fork, {}, "", "/h/logs/web-out-3.log", "/h/logs/web-error-3.log"},
      {"cluster", false, cluster, {}, "", "/h/logs/web-out-3.log", "/h/logs/web-error-3.log"},
      {"merged", true, cluster, true, "", "/h/logs/web-out.log", "/h/logs/web-error.log"},
      {"split", false, fork, false, "", "/h/logs/web-out-3.log", "/h/logs/web-error-3.log"},
      {"own, plain", false, fork, {}, "/l/x.log", "/l/x.log", "/h/logs/web-error.log"},
      {"own", true, cluster, {}, "/l/x.log", "/l/x-3.log", "/h/logs/web-error-3.log"},
      {"no .log", true, cluster, {}, "/l/x.txt", "/l/x.txt", "/h/logs/web-error-3.log"},
      {"none", true, cluster, {}, "/dev/null", "/dev/null", "/h/logs/web-error-3.log"},
  };
  const Paths paths = Paths::at("/h");
  for (const Row& row : rows) {
    CAPTURE(row.what);
    AppSpec spec;
    spec.name = "web";
    spec.instances_given = row.instances_given;
    spec.exec_mode = row.mode;
    spec.merge_logs = row.merge;
    spec.out_file = row.out_file;
    CHECK(paths.out_log(spec, 3) == row.out);
    CHECK(paths.error_log(spec, 3) == row.error);
    CHECK(paths.pid_of(spec, 3) == "/h/pids/web-3.pid");
  }
  AppSpec spec;
  spec.pid_file = "/run/web.pid";
  CHECK(paths.pid_of(spec, 3) == "/run/web-3.pid");
  spec.pid_file = "/run/web";
  CHECK(paths.pid_of(spec, 3) == "/run/web-3");
  spec.name = "../my app_1.é";
  CHECK(paths.out_log(spec, 0) == "/h/logs/..-my-app-1.é-out.log");
}

TEST_CASE("cgroup quotas limit the cores") {
  struct Row {
    const char* what;
    const char* groups;
    std::vector<std::pair<std::string, std::string>> files;
    std::optional<int> cores;
  };
  const Row rows[] = {
      {"none", "0::/\n", {}, std::nullopt},
      {"v2 without quota", "0::/a\n", {{"a/cpu.max", "max 100000\n"}}, std::nullopt},
      {"v2, rounded up", "0::/a\n", {{"a/cpu.max", "150000 100000\n"}}, 2},
      {"v2, less than one", "0::/a\n", {{"a/cpu.max", "1000 100000\n"}}, 1},
      {"v2, above", "0::/a/b\n", {{"a/cpu.max", "300000 100000"}, {"a/b/cpu.max", "max 1"}}, 3},
      {"v2, least", "0::/a/b\n", {{"a/cpu.max", "5 1"}, {"a/b/cpu.max", "9 1"}}, 5},
      {"v2, own root", "0::/../x\n", {{"cpu.max", "200000 100000"}}, 2},
      {"v2, of others", "0::/a\n", {{"ab/cpu.max", "100000 100000"}}, std::nullopt},
      {"v1",
       "4:cpu,cpuacct:/d\n3:cpuset:/d\n0::/\n",
       {{"cpu,cpuacct/d/cpu.cfs_quota_us", "250000"},
        {"cpu,cpuacct/d/cpu.cfs_period_us", "100000"}},
       3},
      {"v1 without quota",
       "4:cpu:/d\n",
       {{"cpu/d/cpu.cfs_quota_us", "-1"}, {"cpu/d/cpu.cfs_period_us", "100000"}},
       std::nullopt},
      {"v1, above",
       "4:cpu:/d/e\n",
       {{"cpu/d/cpu.cfs_quota_us", "400000"}, {"cpu/d/cpu.cfs_period_us", "100000"}},
       4},
      {"garbage", "x\n:\n4:cpu\n", {{"cpu.max", "garbage"}}, std::nullopt},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Directory root;
    root.file("proc/self/cgroup", row.groups);
    for (const auto& [name, content] : row.files) root.file("sys/fs/cgroup/" + name, content);
    CHECK(cgroup_core_limit(root.path()) == row.cores);
  }
}

TEST_CASE("usable cores: affinity and quota together") {
  const Directory root;
  const int all = usable_cores(root.path());
  CHECK(all >= 1);
  CHECK(all <= static_cast<int>(std::thread::hardware_concurrency()));
  root.file("proc/self/cgroup", "0::/\n");
  root.file("sys/fs/cgroup/cpu.max", "1 1\n");
  CHECK(usable_cores(root.path()) == 1);
}

TEST_CASE("instances") {
  struct Row {
    const char* text;
    int cores;
    int instances;
  };
  const Row rows[] = {{"1", 8, 1},  {"3", 2, 3},   {"1024", 2, 1024},  {"max", 8, 8},
                      {"0", 8, 8},  {"-1", 8, 7},  {"-3", 8, 5},       {"-9", 8, 1},
                      {"-1", 1, 1}, {"max", 0, 1}, {"max", 4000, 1024}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(resolve_instances(row.text, row.cores) == row.instances);
  }
  for (const char* text :
       {"", "many", "2x", " 2", "+2", "1.5", "1025", "MAX", "-", "99999999999", "-2147483648"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(resolve_instances(text, 4), Error);
  }
}

TEST_CASE("words") {
  CHECK(split_words("") == Words{});
  CHECK(split_words("  a\tb \n c ") == Words{"a", "b", "c"});
  CHECK(split_words("--title \"a b\" 'c  d'") == Words{"--title", "a b", "c  d"});
  CHECK(split_words("--x=\"a b\"c ''") == Words{"--x=a bc", ""});
  CHECK(split_words("\"it's\" don't") == Words{"it's", "don't"});
  CHECK(split_words("a \"b c") == Words{"a", "\"b", "c"});
}

TEST_CASE("durations and exit codes") {
  CHECK(parse_duration("0") == Millis(0));
  CHECK(parse_duration("1500") == Millis(1500));
  CHECK(parse_duration("5s") == Millis(5000));
  CHECK(parse_duration("10m") == Millis(600000));
  CHECK(parse_duration("2h") == Millis(7200000));
  for (const char* text : {"", "s", "-1", "1.5s", "5 s", "5d", "1000h", "99999999999"}) {
    CAPTURE(text);
    CHECK(parse_duration(text) == std::nullopt);
  }
  CHECK(parse_exit_codes("0,3 , 255") == std::vector<int>{0, 3, 255});
  CHECK(parse_exit_codes("") == std::vector<int>{});
  CHECK(parse_exit_codes("256") == std::nullopt);
  CHECK(parse_exit_codes("-1") == std::nullopt);
  CHECK(parse_exit_codes("x") == std::nullopt);
}

}  // namespace
}  // namespace pmx
