// Supervisor: apps that are restarted when their files change.
#include <doctest/doctest.h>

#include <chrono>

#include "tests/component/supervisor_bench.h"

using namespace pmx;
using namespace pmx::test;
using namespace std::chrono_literals;

namespace {

AppSpec watching(AppSpec spec = fork_app()) {
  spec.watch = true;
  spec.watch_delay = Millis(20);
  return spec;
}

bool logged(const Bench& bench, const std::string& part) {
  return std::ranges::any_of(bench.daemon_log, [&](const std::string& line) {
    return line.find(part) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("a change restarts the app and is the reason") {
  Bench bench;
  bench.get(bench.start(watching()));
  CHECK(bench.world.journal == Journal{"watch /srv", "spawn 0.1"});
  CHECK(bench.status(0).watching);
  REQUIRE(bench.files.change("/srv", "src/a.js"));
  REQUIRE(bench.files.change("/srv", "src/b.js"));
  REQUIRE(bench.eventually([&] { return bench.did("spawn 0.2"); }));
  bench.settle();
  CHECK(bench.status(0).reason.find("src/a.js and 1 more changed") != std::string::npos);
  CHECK(bench.status(0).restarts == 1);
  CHECK(logged(bench, "app: src/a.js and 1 more changed"));
  CHECK_FALSE(bench.did("spawn 0.3"));
}

TEST_CASE("what is ignored, and pmx's own files") {
  Bench bench;
  AppSpec spec = watching();
  spec.cwd = "/home";
  spec.ignore_watch = {"*.tmp", "data/"};
  spec.watch_paths = {"/home/src", "/home/node_modules/mine", "/elsewhere"};
  bench.get(bench.start(spec));
  CHECK_FALSE(bench.files.change("/home/src", "a.tmp"));
  CHECK_FALSE(bench.files.change("/home/src", "data/a"));
  CHECK_FALSE(bench.files.change("/home/src", "node_modules/a"));
  CHECK_FALSE(bench.files.change("/elsewhere", "b.tmp"));
  const auto& ignored = bench.files.watched.at(2).request.ignored;
  CHECK_FALSE(ignored("index.js", false));
  CHECK(ignored("node_modules", true));

  Bench whole;
  spec.watch_paths.clear();
  spec.ignore_watch.clear();
  whole.get(whole.start(spec));
  CHECK(whole.files.watched.at(1).request.ignored("pmx", true));
  CHECK_FALSE(whole.files.change("/home", "pmx/pmx.db"));
  CHECK_FALSE(whole.files.change("/home", ".hidden"));
}

TEST_CASE("the app's log files, also those of instances that came later") {
  Bench bench;
  AppSpec spec = watching();
  spec.cwd = "/home/pmx";
  bench.get(bench.start(spec));
  bench.get(bench.ask(bench.supervisor.scale("app", 2, false)));
  for (const char* const name : {"app-0.out", "app-1.err", "app-1.pid", "app-0.out.1"}) {
    bench.files.change("/home/pmx", name);
  }
  CHECK_FALSE(bench.eventually([&] { return bench.did("SIGINT 0.1"); }, 100ms));
  bench.files.change("/home/pmx", "app-2.out");
  CHECK(bench.eventually([&] { return bench.did("SIGINT 0.1"); }));
}

TEST_CASE("a stop ends the watch, a start begins it") {
  Bench bench;
  bench.get(bench.start(watching()));
  bench.files.change("/srv", "a.js");
  bench.get(bench.ask(bench.supervisor.stop({0})));
  CHECK(bench.files.watched.empty());
  CHECK_FALSE(bench.status(0).watching);
  CHECK_FALSE(bench.eventually([&] { return bench.did("spawn 0.2"); }, 100ms));
  bench.get(bench.ask(bench.supervisor.restart({0}, {})));
  CHECK(bench.status(0).watching);
  REQUIRE(bench.files.change("/srv", "a.js"));
  CHECK(bench.eventually([&] { return bench.did("spawn 0.3"); }));
}

TEST_CASE("of two instances one is stopped: the other goes on being watched") {
  Bench bench;
  AppSpec spec = watching();
  spec.instances = 2;
  bench.get(bench.start(spec));
  bench.get(bench.ask(bench.supervisor.stop({1})));
  CHECK(bench.status(0).watching);
  CHECK_FALSE(bench.status(1).watching);
  REQUIRE(bench.files.change("/srv", "a.js"));
  REQUIRE(bench.eventually([&] { return bench.did("spawn 0.2"); }));
  CHECK(bench.status(1).state == State::stopped);
}

TEST_CASE("what has failed, has ended or waits is started by a change") {
  Bench bench;
  AppSpec errored = watching(fork_app("errored"));
  errored.max_restarts = 0;
  AppSpec ended = watching(fork_app("ended"));
  ended.stop_exit_codes = {0};
  AppSpec waiting = watching(fork_app("waiting"));
  waiting.restart_delay = Millis(600'000);
  for (AppSpec* spec : {&errored, &ended, &waiting}) {
    spec->cwd = "/srv/" + spec->name;
    bench.get(bench.start(*spec));
  }
  bench.world.end({0, 1}, exit_code(1));
  bench.world.end({1, 1}, exit_code(0));
  bench.world.end({2, 1}, exit_code(1));
  bench.settle();
  CHECK(bench.status(0).state == State::errored);
  CHECK(bench.status(1).state == State::stopped);
  CHECK(bench.status(2).state == State::waiting_restart);
  for (const AppSpec* spec : {&errored, &ended, &waiting}) {
    REQUIRE(bench.files.change(spec->cwd, "a.js"));
  }
  CHECK(bench.eventually(
      [&] { return bench.did("spawn 0.2") && bench.did("spawn 1.2") && bench.did("spawn 2.2"); }));
}

TEST_CASE("a process that was started after the change is left alone") {
  Bench bench;
  bench.get(bench.start(watching()));
  bench.files.change("/srv", "database");
  bench.get(bench.ask(bench.supervisor.restart({0}, {})));
  CHECK_FALSE(bench.eventually([&] { return bench.did("spawn 0.3"); }, 100ms));
}

TEST_CASE("instances that share ports are replaced; a change during that comes after it") {
  Bench bench;
  bench.start_cluster(watching(cluster_app(1)));
  REQUIRE(bench.files.change("/srv", "a.js"));
  REQUIRE(bench.eventually([&] { return bench.did("spawn 0.2"); }));
  REQUIRE(bench.files.change("/srv", "b.js"));
  CHECK_FALSE(bench.eventually([&] { return bench.did("spawn 0.3"); }, 100ms));
  bench.replace(0, 1, 2);
  REQUIRE(bench.eventually([&] { return bench.did("spawn 0.3"); }));
  bench.replace(0, 2, 3);
  bench.settle();
  CHECK(bench.status(0).reason == "replaced: b.js changed");
  CHECK(bench.status(0).restarts == 2);
}

TEST_CASE("new processes that fail leave the old ones, and that is said until the next change") {
  Bench bench;
  bench.start_cluster(watching(cluster_app(1)));
  REQUIRE(bench.files.change("/srv", "a.js"));
  REQUIRE(bench.eventually([&] { return bench.world.channels.contains({0, 2}); }));
  bench.world.end({0, 2}, exit_code(1));
  REQUIRE(bench.eventually([&] { return !bench.status(0).watch_problem.empty(); }));
  CHECK(bench.status(0).watch_problem.starts_with(
      "a.js changed, but the previous processes go on: "));
  CHECK(bench.world.alive({0, 1}));
  REQUIRE(bench.files.change("/srv", "a.js"));
  REQUIRE(bench.eventually([&] { return bench.world.channels.contains({0, 3}); }));
  CHECK(bench.status(0).watch_problem.empty());
  bench.replace(0, 1, 3);
}

TEST_CASE("problems are shown; a restart tries again") {
  Bench bench;
  bench.get(bench.start(watching()));
  bench.files.watched.at(1).events.problem("no watches left");
  CHECK(bench.status(0).watch_problem == "no watches left");
  CHECK(bench.status(0).state == State::online);
  CHECK(logged(bench, "app: watch: no watches left"));
  bench.get(bench.ask(bench.supervisor.restart({0}, {})));
  CHECK(bench.files.watched.contains(2));
  CHECK(bench.status(0).watch_problem.empty());
}

TEST_CASE("a start returns when changes are seen") {
  Bench bench;
  bench.files.hold_begin = true;
  const auto reply = bench.start(watching());
  bench.settle();
  CHECK(bench.status(0).state == State::online);
  CHECK_FALSE(bench.status(0).watching);
  CHECK_FALSE(reply->done);
  bench.files.release_begin();
  bench.get(reply);
  CHECK(bench.status(0).watching);
}

TEST_CASE("the next daemon watches again, what was stopped stays unwatched") {
  for (const bool stopped : {false, true}) {
    Bench bench;
    auto stored = bench.stored(watching(), !stopped, stopped ? State::stopped : State::online, 0);
    stored.instances[0].by_operator = stopped;
    bench.supervisor.recover(stored, {});
    bench.settle();
    CHECK(bench.files.watched.empty() == stopped);
    CHECK(bench.status(0).watching != stopped);
  }
}
