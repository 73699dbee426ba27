// Supervisor: start, failure, stop, recovery and the end.
#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>

#include "tests/component/supervisor_bench.h"

using namespace pmx;
using namespace pmx::test;
using namespace std::chrono_literals;

// --- Start ---

TEST_CASE("start of a fork app: one process, recorded before the reply") {
  Bench bench;
  bench.store.hold_commits = true;
  const auto reply = bench.start(fork_app());
  bench.settle();
  CHECK_FALSE(reply->done);
  bench.store.release_commits();
  const auto outcomes = bench.get(reply);
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].error.empty());
  CHECK(outcomes[0].pm_ids == std::vector{0});
  CHECK(bench.world.journal == Journal{"spawn 0.1"});
  CHECK(bench.status(0).state == State::online);
  CHECK(bench.status(0).pid == bench.world.pid_of({0, 1}));
  REQUIRE(bench.store.durable.instances.contains(0));
  CHECK(bench.store.durable.instances[0].wanted);
  CHECK(bench.store.durable.instances[0].pid == bench.world.pid_of({0, 1}));
  CHECK(bench.store.durable.apps.size() == 1);
  CHECK(bench.logs.attached == std::set{0});
}

TEST_CASE("a start that fails says at which step and why") {
  Bench bench;
  bench.spawner.next_error = SpawnError{"exec", EACCES, "/srv/app"};
  const auto outcomes = bench.get(bench.start(fork_app()));
  CHECK(outcomes.at(0).error.find("exec /srv/app: ") != std::string::npos);
  CHECK(outcomes.at(0).error.find("EACCES") != std::string::npos);
  CHECK(bench.status(0).state == State::errored);
  CHECK(bench.status(0).pid == 0);
  CHECK(bench.spawner.requests.size() == 1);
}

TEST_CASE("a second start is refused, a forced one makes a second app") {
  Bench bench;
  bench.get(bench.start(fork_app()));
  const auto again = bench.get(bench.start(fork_app()));
  CHECK(again.at(0).error.find("already running") != std::string::npos);
  CHECK(again.at(0).pm_ids.empty());
  CHECK(bench.spawner.requests.size() == 1);
  const auto forced = bench.get(bench.start(fork_app(), true));
  CHECK(forced.at(0).error.empty());
  CHECK(forced.at(0).pm_ids == std::vector{1});
  CHECK(bench.store.durable.apps.size() == 2);
  CHECK(bench.world.alive_count() == 2);
}

TEST_CASE("start of a cluster app returns when every worker listens") {
  Bench bench;
  const auto reply = bench.start(cluster_app(2));
  bench.listen({0, 1});
  bench.settle();
  CHECK_FALSE(reply->done);
  CHECK(bench.status(0).state == State::online);
  CHECK(bench.status(1).state == State::launching);
  bench.listen({1, 1});
  CHECK(bench.get(reply).at(0).error.empty());
  CHECK(bench.status(1).state == State::online);
}

TEST_CASE("with wait_ready only the word \"ready\" counts") {
  Bench bench;
  AppSpec spec = cluster_app(1);
  spec.wait_ready = true;
  const auto reply = bench.start(spec);
  bench.listen({0, 1});
  bench.world.channels.at({0, 1})->say("{\"type\":\"ready\"}");
  bench.settle();
  CHECK_FALSE(reply->done);
  bench.world.channels.at({0, 1})->say("\"ready\"");
  bench.get(reply);
  CHECK(bench.status(0).state == State::online);
}

// --- Ends and restarts ---

TEST_CASE("an app that fails is started again at once and counted") {
  Bench bench;
  bench.get(bench.start(fork_app()));
  bench.world.end({0, 1}, exit_code(1));
  bench.settle();
  CHECK(bench.world.journal == Journal{"spawn 0.1", "spawn 0.2"});
  CHECK(bench.status(0).state == State::online);
  CHECK(bench.status(0).restarts == 1);
  CHECK(bench.status(0).last_exit == exit_code(1));
  CHECK(bench.world.forgotten == std::set{RunId{0, 1}});
  CHECK(bench.store.durable.instances[0].generation == 2);
  CHECK(bench.store.durable.instances[0].last_exit == exit_code(1));
}

TEST_CASE("the keeper may forget an end only when it is on the disk") {
  Bench bench;
  bench.get(bench.start(fork_app()));
  bench.store.hold_commits = true;
  bench.world.end({0, 1}, exit_code(1));
  bench.settle();
  CHECK(bench.world.forgotten.empty());
  bench.store.release_commits();
  bench.settle();
  CHECK(bench.world.forgotten.contains({0, 1}));
}

TEST_CASE("stop: SIGINT, SIGKILL after kill_timeout, and it returns when the process is gone") {
  Bench bench;
  bench.world.ignored_by_new_processes = {SIGINT};
  bench.get(bench.start(fork_app()));
  bench.world.journal.clear();
  const auto reply = bench.ask(bench.supervisor.stop({0}));
  bench.settle();
  CHECK(bench.world.journal == Journal{"SIGINT 0.1"});
  CHECK(bench.status(0).state == State::stopping);
  CHECK_FALSE(reply->done);
  bench.get(reply);
  CHECK(bench.world.journal == Journal{"SIGINT 0.1", "SIGKILL 0.1"});
  CHECK(bench.world.alive_count() == 0);
  CHECK(bench.status(0).state == State::stopped);
  CHECK(bench.world.forgotten.contains({0, 1}));
  CHECK_FALSE(bench.store.durable.instances[0].wanted);
  CHECK(bench.listeners.closed.contains(1));
}

TEST_CASE("a restart does not wait for the restart delay") {
  Bench bench;
  AppSpec spec = fork_app();
  spec.restart_delay = 60s;
  bench.get(bench.start(spec));
  bench.world.end({0, 1}, exit_code(1));
  bench.settle();
  CHECK(bench.status(0).state == State::waiting_restart);
  CHECK(bench.spawner.requests.size() == 1);
  bench.get(bench.ask(bench.supervisor.restart({0}, Env{{"COLOUR", "blue"}})));
  CHECK(bench.status(0).state == State::online);
  CHECK(bench.spawner.requests.size() == 2);
  CHECK(bench.spawner.requests.back().env.at("COLOUR") == "blue");
}

TEST_CASE("delete: logs are drained before the pipes go, nothing stays recorded") {
  Bench bench;
  bench.get(bench.start(fork_app()));
  bench.world.journal.clear();
  bench.logs.hold_drains = true;
  const auto reply = bench.ask(bench.supervisor.remove({0}));
  REQUIRE(bench.eventually([&] { return bench.did("detach 0"); }));
  bench.settle();
  CHECK_FALSE(reply->done);
  CHECK(bench.world.journal == Journal{"SIGINT 0.1", "detach 0"});
  bench.logs.release_drains();
  bench.get(reply);
  CHECK(bench.world.journal == Journal{"SIGINT 0.1", "detach 0", "drained 0", "close_output 0"});
  CHECK(bench.store.durable.apps.empty());
  CHECK(bench.store.durable.instances.empty());
  CHECK(bench.supervisor.all_ids().empty());
  CHECK(bench.processes.mains.empty());
}

// --- What outlives the daemon ---

TEST_CASE("recover: a live run is taken up, not started again") {
  Bench bench;
  AdoptedRun run = bench.run({0, 1}, "C1;");
  const pid_t pid = run.process.pid;
  bench.recover(bench.stored(fork_app(), true, State::online, pid), std::move(run));
  CHECK(bench.spawner.requests.empty());
  CHECK(bench.world.journal.empty());
  CHECK(bench.status(0).state == State::online);
  CHECK(bench.status(0).pid == pid);
  CHECK(bench.logs.attached.contains(0));
  // It is an ordinary run from here on.
  bench.get(bench.ask(bench.supervisor.stop({0})));
  CHECK(bench.world.journal == Journal{"SIGINT 0.1"});
  CHECK(bench.status(0).state == State::stopped);
}

TEST_CASE("recover: an end while nobody looked is acted upon once") {
  Bench bench;
  AdoptedRun run = bench.run({0, 1}, "C1;");
  const pid_t pid = run.process.pid;
  bench.world.processes.at(pid).alive = false;
  run.exit = ProcessExit{{0, 1}, pid, exit_code(3), bench.clock.wall_now() - 1000};
  bench.recover(bench.stored(fork_app(), true, State::online, pid), std::move(run));
  CHECK(bench.world.journal == Journal{"spawn 0.2"});
  CHECK(bench.status(0).state == State::online);
  CHECK(bench.status(0).last_exit == exit_code(3));
  CHECK(bench.status(0).restarts == 1);
  CHECK(bench.world.forgotten == std::set{RunId{0, 1}});
}

TEST_CASE("recover: the candidate of an interrupted reload is retired") {
  Bench bench;
  std::vector<AdoptedRun> runs;
  runs.push_back(bench.run({0, 1}, "C1;"));
  runs.push_back(bench.run({0, 2}, "N0;"));
  const pid_t pid = runs[0].process.pid;
  bench.supervisor.recover(bench.stored(cluster_app(1), true, State::online, pid), std::move(runs));
  bench.settle();
  CHECK(bench.world.journal == Journal{"disconnect 0.2"});
  CHECK(bench.world.notes[{0, 2}].substr(0, 1) == "O");
  bench.world.channels.at({0, 2})->close();
  bench.settle();
  CHECK(bench.world.journal == Journal{"disconnect 0.2", "SIGINT 0.2"});
  CHECK(bench.world.forgotten == std::set{RunId{0, 2}});
  CHECK(bench.status(0).state == State::online);
  CHECK(bench.status(0).pid == pid);
  // Its number is never used again.
  const auto restart = bench.ask(bench.supervisor.restart({0}, std::nullopt));
  bench.listen({0, 3});
  bench.get(restart);
}

TEST_CASE(
    "recover: a reload that was cut short leaves the old or the new process, at every point") {
  Bench bench;
  AppSpec spec = cluster_app(1);
  std::string old_note;
  std::string new_note;
  bool new_stays = false;
  std::uint32_t recorded = 1;
  SUBCASE("the candidate is not ready") { old_note = "C1;", new_note = "N0;"; }
  SUBCASE("it is ready, or held") { old_note = "C1;", new_note = "N1;"; }
  SUBCASE("between the two changes of role") {
    old_note = "C1;", new_note = "C1;";
    new_stays = true;
  }
  SUBCASE("the old one is retiring, the promotion was not recorded") {
    old_note = "O1;", new_note = "C1;";
    new_stays = true;
  }
  SUBCASE("the old one is retiring") {
    old_note = "O1;", new_note = "C1;";
    new_stays = true;
    recorded = 2;
  }
  std::vector<AdoptedRun> runs;
  runs.push_back(bench.run({0, 1}, old_note));
  runs.push_back(bench.run({0, 2}, new_note));
  const std::uint32_t stays = new_stays ? 2 : 1;
  const std::uint32_t goes = new_stays ? 1 : 2;
  const pid_t pid = bench.world.pid_of({0, stays});
  StoredState state = bench.stored(spec, true, State::online, bench.world.pid_of({0, recorded}));
  state.instances[0].generation = recorded;
  bench.supervisor.recover(state, std::move(runs));
  bench.settle();
  CHECK(bench.spawner.requests.empty());
  CHECK(bench.status(0).state == State::online);
  CHECK(bench.status(0).pid == pid);
  CHECK(bench.world.journal == Journal{fmt::format("disconnect 0.{}", goes)});
  const bool says_so = std::ranges::any_of(bench.daemon_log, [](const std::string& line) {
    return line.find("web: a reload was cut short") == 0;
  });
  CHECK(says_so == (new_note[0] == 'N'));
  bench.world.channels.at({0, goes})->close();
  REQUIRE(bench.eventually([&] { return bench.world.alive_count() == 1; }));
  CHECK(bench.status(0).pid == pid);
  // The next reload is an ordinary one.
  const auto reload = bench.reload({0});
  bench.replace(0, stays, 3);
  bench.get(reload);
}

TEST_CASE("recover: what shall run and does not is started, what is stopped stays so") {
  Bench bench;
  SUBCASE("wanted") {
    bench.supervisor.recover(bench.stored(fork_app(), true, State::online, 99), {});
    bench.settle();
    CHECK(bench.world.journal == Journal{"spawn 0.2"});
    CHECK(bench.status(0).state == State::online);
    CHECK(bench.store.now.instances[0].wanted);
  }
  SUBCASE("waiting for its restart") {
    bench.supervisor.recover(bench.stored(fork_app(), true, State::waiting_restart, 0), {});
    bench.settle();
    CHECK(bench.world.journal == Journal{"spawn 0.2"});
  }
  SUBCASE("stopped") {
    bench.supervisor.recover(bench.stored(fork_app(), false, State::stopped, 0), {});
    bench.settle();
    CHECK(bench.spawner.requests.empty());
    CHECK(bench.status(0).state == State::stopped);
  }
}

TEST_CASE("recover: what was being stopped is stopped, what was being restarted runs again") {
  Bench bench;
  bool wanted = false;
  SUBCASE("stop") { wanted = false; }
  SUBCASE("restart") { wanted = true; }
  AdoptedRun run = bench.run({0, 1}, "C1;");
  const pid_t pid = run.process.pid;
  bench.recover(bench.stored(fork_app(), wanted, State::stopping, pid), std::move(run));
  CHECK_FALSE(bench.world.alive({0, 1}));
  CHECK(bench.world.alive_count() == (wanted ? 1 : 0));
  CHECK(bench.status(0).state == (wanted ? State::online : State::stopped));
  CHECK(bench.store.now.instances[0].wanted == wanted);
}

TEST_CASE("recover: a run that was never recorded is ended") {
  Bench bench;
  AdoptedRun run = bench.run({5, 1}, "C1;");
  bench.recover({}, std::move(run));
  CHECK(bench.world.journal == Journal{"SIGKILL 5.1"});
  CHECK(bench.world.forgotten.contains({5, 1}));
  CHECK(bench.supervisor.all_ids().empty());
}

TEST_CASE("shut down: everything ends; what ran stays wanted, unless it shall be forgotten") {
  Bench bench;
  bench.get(bench.start(fork_app("one")));
  bench.get(bench.start(fork_app("two")));
  bench.get(bench.ask(bench.supervisor.stop({1})));
  SUBCASE("for the next daemon") {
    CHECK(bench.get(bench.ask(bench.supervisor.shut_down(false))) == 1);
    CHECK(bench.store.durable.instances.size() == 2);
    CHECK(bench.store.durable.instances[0].wanted);
    CHECK_FALSE(bench.store.durable.instances[1].wanted);
  }
  SUBCASE("for good") {
    CHECK(bench.get(bench.ask(bench.supervisor.shut_down(true))) == 1);
    CHECK(bench.store.durable.instances.empty());
    CHECK(bench.store.durable.apps.empty());
  }
  CHECK(bench.world.alive_count() == 0);
  CHECK(code_of(bench, bench.start(fork_app("three"))) == ErrorCode::unavailable);
}
