// Supervisor: reload, scale, and what instances are told of their number.
#include <doctest/doctest.h>

#include <chrono>

#include "tests/component/supervisor_bench.h"

using namespace pmx;
using namespace pmx::test;
using namespace std::chrono_literals;

// --- Reload ---

TEST_CASE("rolling reload: the new one is ready before the old one hears anything") {
  Bench bench;
  bench.start_cluster(cluster_app(2));
  const auto reply = bench.reload({0, 1});
  Journal expected;
  for (const int id : {0, 1}) {
    const std::string old_run = fmt::format(" {}.1", id);
    expected.push_back(fmt::format("spawn {}.2", id));
    REQUIRE(bench.eventually([&] { return bench.world.alive({id, 2}); }));
    bench.settle();
    CHECK(bench.world.journal == expected);
    CHECK(bench.status(id).pid == bench.world.pid_of({id, 1}));
    bench.listen({id, 2});
    bench.settle();
    expected.push_back("disconnect" + old_run);
    CHECK(bench.world.journal == expected);
    CHECK(bench.status(id).pid == bench.world.pid_of({id, 2}));
    CHECK(bench.world.notes[{id, 2}].substr(0, 2) == "C1");
    CHECK(bench.world.notes[{id, 1}].substr(0, 1) == "O");
    bench.world.channels.at({id, 1})->close();
    expected.push_back("SIGINT" + old_run);
    CHECK(bench.world.journal == expected);
  }
  CHECK(bench.get(reply) == Journal{"web: 2 of 2 instances replaced"});
  CHECK(bench.world.journal == expected);
  CHECK(bench.world.alive_count() == 2);
  CHECK(bench.supervisor.all_ids() == std::vector{0, 1});
  for (const int id : {0, 1}) {
    CHECK(bench.status(id).state == State::online);
    CHECK(bench.status(id).instance_number == id);
    CHECK(bench.status(id).restarts == 1);
    CHECK(bench.store.durable.instances[id].generation == 2);
    CHECK(bench.store.durable.instances[id].pid == bench.world.pid_of({id, 2}));
    CHECK(bench.world.forgotten.contains({id, 1}));
  }
  for (const SpawnRequest& request : bench.spawner.requests) {
    const int id = request.run.pm_id;
    CHECK(request.env.at("NODE_APP_INSTANCE") == std::to_string(id));
    CHECK(request.env.at("NODE_UNIQUE_ID") == std::to_string(id + 1));
  }
}

TEST_CASE("reload: a candidate that dies leaves the old one alone") {
  Bench bench;
  bench.start_cluster(cluster_app(2));
  const auto reply = bench.reload({0, 1});
  REQUIRE(bench.eventually([&] { return bench.world.alive({0, 2}); }));
  bench.world.end({0, 2}, exit_code(1));
  CHECK(code_of(bench, reply) == ErrorCode::not_ready);
  bench.settle();
  CHECK(bench.world.journal == Journal{"spawn 0.2"});
  for (const int id : {0, 1}) {
    CHECK(bench.status(id).state == State::online);
    CHECK(bench.status(id).pid == bench.world.pid_of({id, 1}));
    CHECK(bench.status(id).restarts == 0);
  }
  CHECK(bench.world.forgotten == std::set{RunId{0, 2}});
}

TEST_CASE("reload: a candidate that does not listen in time is ended, the old one left alone") {
  Bench bench;
  AppSpec spec = cluster_app(1);
  spec.listen_timeout = 50ms;
  bench.start_cluster(spec);
  CHECK(code_of(bench, bench.reload({0})) == ErrorCode::not_ready);
  REQUIRE(bench.eventually([&] { return bench.world.alive_count() == 1; }));
  bench.settle();
  CHECK(bench.world.journal == Journal{"spawn 0.2", "SIGINT 0.2"});
  CHECK(bench.status(0).state == State::online);
  CHECK(bench.status(0).pid == bench.world.pid_of({0, 1}));
}

TEST_CASE("a stop ends a reload whose candidate is not ready") {
  Bench bench;
  bench.start_cluster(cluster_app(2));
  const auto reload = bench.reload({0, 1});
  REQUIRE(bench.eventually([&] { return bench.world.alive({0, 2}); }));
  bench.get(bench.ask(bench.supervisor.stop({0, 1})));
  CHECK(bench.world.alive_count() == 0);
  CHECK(code_of(bench, reload) == ErrorCode::not_ready);
  for (const int id : {0, 1}) CHECK(bench.status(id).state == State::stopped);
  CHECK_FALSE(bench.did("spawn 1.2"));
}

TEST_CASE("a stop ends a reload whose old process is still draining") {
  Bench bench;
  bench.start_cluster(cluster_app(2));
  const auto reload = bench.reload({0, 1});
  bench.listen({0, 2});
  bench.settle();
  REQUIRE(bench.did("disconnect 0.1"));
  bench.get(bench.ask(bench.supervisor.stop({0, 1})));
  bench.settle();
  // Nothing is started for an instance that shall not run.
  CHECK_FALSE(bench.did("spawn 1.2"));
  CHECK(bench.world.alive_count() == 0);
  for (const int id : {0, 1}) CHECK(bench.status(id).state == State::stopped);
  REQUIRE(reload->done);
  CHECK(reload->error.has_value());
}

TEST_CASE("one reload of an app at a time") {
  Bench bench;
  bench.start_cluster(cluster_app(1));
  const auto first = bench.reload({0});
  REQUIRE(bench.eventually([&] { return bench.world.alive({0, 2}); }));
  CHECK(code_of(bench, bench.reload({0})) == ErrorCode::busy);
  bench.listen({0, 2});
  bench.settle();
  bench.world.channels.at({0, 1})->close();
  bench.get(first);
  CHECK(bench.status(0).pid == bench.world.pid_of({0, 2}));
}

TEST_CASE("two apps are reloaded at the same time") {
  Bench bench;
  bench.start_cluster(cluster_app(1));
  AppSpec spec = cluster_app(1);
  spec.name = "other";
  const auto started = bench.start(spec);
  bench.listen({1, 1});
  bench.get(started);
  const auto first = bench.reload({0});
  const auto second = bench.reload({1});
  bench.replace(1, 1, 2);
  CHECK(bench.get(second) == Journal{"other: 1 of 1 instances replaced"});
  CHECK_FALSE(first->done);
  CHECK(code_of(bench, bench.reload({0, 1})) == ErrorCode::busy);
  bench.replace(0, 1, 2);
  bench.get(first);
}

TEST_CASE(
    "reload: a candidate is held for min_ready, and one that ends meanwhile changes nothing") {
  Bench bench;
  AppSpec spec = cluster_app(1);
  spec.min_ready = 50ms;
  bench.start_cluster(spec);
  bench.logs.error_text = "one\ntwo\n";
  const auto reply = bench.reload({0});
  bench.listen({0, 2});
  bench.settle();
  CHECK(bench.world.journal == Journal{"spawn 0.2"});
  SUBCASE("it stays") {
    REQUIRE(bench.eventually([&] { return bench.did("disconnect 0.1"); }));
    bench.world.channels.at({0, 1})->close();
    bench.get(reply);
  }
  SUBCASE("it ends") {
    bench.world.end({0, 2}, exit_code(7));
    REQUIRE(code_of(bench, reply) == ErrorCode::not_ready);
    const std::string text = reply->error->what();
    CHECK(text.find("it ended after it was ready: exit code 7") != std::string::npos);
    CHECK(text.find("error output:\n    one\n    two") != std::string::npos);
    CHECK(bench.world.journal == Journal{"spawn 0.2"});
    CHECK(bench.status(0).pid == bench.world.pid_of({0, 1}));
  }
}

TEST_CASE("reload: a failure shows ten lines at most") {
  Bench bench;
  bench.start_cluster(cluster_app(1));
  for (int line = 1; line <= 400; ++line) bench.logs.error_text += fmt::format("line {}\n", line);
  const auto reply = bench.reload({0});
  REQUIRE(bench.eventually([&] { return bench.world.alive({0, 2}); }));
  bench.world.end({0, 2}, exit_code(1));
  REQUIRE(code_of(bench, reply) == ErrorCode::not_ready);
  const std::string text = reply->error->what();
  CHECK(text.find("line 390\n") == std::string::npos);
  CHECK(text.find("\n    line 391\n") != std::string::npos);
  CHECK(text.ends_with("\n    line 400"));
}

TEST_CASE("reload: after a failure what was replaced goes back to the previous settings") {
  Bench bench;
  bench.start_cluster(cluster_app(2));
  Supervisor::ReloadOptions options;
  options.env = Env{{"COLOUR", "blue"}};
  bool goes_back = true;
  SUBCASE("") {}
  SUBCASE("unless that is off") {
    options.rollback = false;
    goes_back = false;
  }
  const auto reply = bench.reload({0, 1}, options);
  bench.replace(0, 1, 2);
  REQUIRE(bench.eventually([&] { return bench.world.alive({1, 2}); }));
  CHECK(bench.spawner.requests.back().env.at("COLOUR") == "blue");
  bench.world.end({1, 2}, exit_code(1));
  if (goes_back) {
    bench.replace(0, 2, 3);
    CHECK_FALSE(bench.spawner.requests.back().env.contains("COLOUR"));
  }
  REQUIRE(code_of(bench, reply) == ErrorCode::not_ready);
  bench.settle();
  const std::string text = reply->error->what();
  CHECK((text.find("back on the previous settings") != std::string::npos) == goes_back);
  CHECK(bench.status(0).pid == bench.world.pid_of({0, goes_back ? 3U : 2U}));
  CHECK(bench.status(1).pid == bench.world.pid_of({1, 1}));
  CHECK(bench.world.alive_count() == 2);
  // Whatever is started from now on gets the app's settings, and these are the previous ones.
  CHECK_FALSE(bench.store.durable.apps[1].spec.env.contains("COLOUR"));
  for (const int id : {0, 1}) CHECK_FALSE(bench.status(id).detail->spec.env.contains("COLOUR"));
}

TEST_CASE("reload: going back that fails leaves what runs") {
  Bench bench;
  bench.start_cluster(cluster_app(2));
  Supervisor::ReloadOptions options;
  options.env = Env{{"COLOUR", "blue"}};
  const auto reply = bench.reload({0, 1}, options);
  bench.replace(0, 1, 2);
  REQUIRE(bench.eventually([&] { return bench.world.alive({1, 2}); }));
  bench.world.end({1, 2}, exit_code(1));
  REQUIRE(bench.eventually([&] { return bench.world.alive({0, 3}); }));
  bench.world.end({0, 3}, exit_code(2));
  REQUIRE(code_of(bench, reply) == ErrorCode::not_ready);
  const std::string text = reply->error->what();
  CHECK(text.find("going back to the previous settings failed too") != std::string::npos);
  CHECK(bench.status(0).pid == bench.world.pid_of({0, 2}));
  CHECK(bench.status(1).pid == bench.world.pid_of({1, 1}));
}

TEST_CASE("reload with a changed environment: recorded at the end, for all of the app") {
  Bench bench;
  bench.start_cluster(cluster_app(2));
  Supervisor::ReloadOptions options;
  options.env = Env{{"COLOUR", "blue"}};
  const auto reply = bench.reload({1}, options);
  bench.listen({1, 2});
  bench.settle();
  CHECK_FALSE(bench.store.now.apps[1].spec.env.contains("COLOUR"));
  bench.replace(1, 1, 2);
  bench.get(reply);
  CHECK(bench.store.durable.apps[1].spec.env.at("COLOUR") == "blue");
  for (const int id : {0, 1}) CHECK(bench.status(id).detail->spec.env.at("COLOUR") == "blue");
}

TEST_CASE("reload: parallel instead of max_surge") {
  Bench bench;
  bench.start_cluster(cluster_app(3));
  Supervisor::ReloadOptions options;
  options.parallel = 3;
  const auto reply = bench.reload({0, 1, 2}, options);
  REQUIRE(bench.eventually([&] { return bench.world.alive_count() == 6; }));
  for (const int id : {2, 0, 1}) bench.replace(id, 1, 2);
  bench.get(reply);
}

TEST_CASE("reload in place: the old one drains, then the new one is started") {
  Bench bench;
  AppSpec spec = cluster_app(2);
  spec.max_unavailable = 1;
  spec.listen_timeout = 300ms;
  bench.start_cluster(spec);
  const auto reply = bench.reload({0, 1});
  REQUIRE(bench.eventually([&] { return bench.did("disconnect 0.1"); }));
  bench.world.channels.at({0, 1})->close();
  REQUIRE(bench.eventually([&] { return bench.world.alive({0, 2}); }));
  CHECK(bench.world.journal == Journal{"disconnect 0.1", "SIGINT 0.1", "spawn 0.2"});
  SUBCASE("one after another") {
    bench.listen({0, 2});
    REQUIRE(bench.eventually([&] { return bench.did("disconnect 1.1"); }));
    bench.world.channels.at({1, 1})->close();
    bench.listen({1, 2});
    bench.get(reply);
    for (const int id : {0, 1}) CHECK(bench.status(id).state == State::online);
    CHECK(bench.world.alive_count() == 2);
  }
  SUBCASE("a new one that ends stops it") {
    bench.world.end({0, 2}, exit_code(1));
    CHECK(code_of(bench, reply) == ErrorCode::not_ready);
    CHECK(bench.world.alive({1, 1}));
    // Supervised as any other.
    REQUIRE(bench.eventually([&] { return bench.world.alive({0, 3}); }));
  }
  SUBCASE("and so does one that does not listen") {
    CHECK(code_of(bench, reply) == ErrorCode::not_ready);
    CHECK(bench.world.alive({1, 1}));
  }
}

TEST_CASE("reload in place: what failed goes back in place") {
  Bench bench;
  AppSpec spec = cluster_app(1);
  spec.max_unavailable = 1;
  bench.start_cluster(spec);
  Supervisor::ReloadOptions options;
  options.env = Env{{"COLOUR", "blue"}};
  const auto reply = bench.reload({0}, options);
  REQUIRE(bench.eventually([&] { return bench.did("disconnect 0.1"); }));
  bench.world.channels.at({0, 1})->close();
  REQUIRE(bench.eventually([&] { return bench.world.alive({0, 2}); }));
  bench.world.end({0, 2}, exit_code(1));
  // The third is the restart after a crash; it is replaced, too.
  REQUIRE(bench.eventually([&] { return bench.world.alive({0, 4}); }));
  CHECK_FALSE(bench.spawner.requests.back().env.contains("COLOUR"));
  bench.listen({0, 4});
  REQUIRE(code_of(bench, reply) == ErrorCode::not_ready);
  const std::string text = reply->error->what();
  CHECK(text.find("back on the previous settings") != std::string::npos);
  CHECK(bench.status(0).state == State::online);
  CHECK(bench.world.alive_count() == 1);
}

TEST_CASE("reload: a candidate that ends in the moment it is ready") {
  Bench bench;
  bench.start_cluster(cluster_app(1));
  const auto reply = bench.reload({0});
  bench.listen({0, 2});
  bench.world.end({0, 2}, exit_code(1));
  // Either it took its place before it ended, or the old one stays: never none, and an answer.
  REQUIRE(bench.eventually([&] {
    if (const auto old = bench.world.channels.find({0, 1});
        bench.did("disconnect 0.1") && old != bench.world.channels.end() && !old->second->closed())
      old->second->close();
    return reply->done;
  }));
  REQUIRE(bench.eventually([&] { return bench.world.alive_count() == 1; }));
}

// --- Increment ---

TEST_CASE("increment_var: a number of its own for every instance, the same in every run") {
  Bench bench;
  AppSpec spec = cluster_app(2);
  spec.increment_var = "PORT";
  spec.env["PORT"] = "4000";
  bench.start_cluster(spec);
  const auto reply = bench.reload({0, 1});
  for (const int id : {0, 1}) bench.replace(id, 1, 2);
  bench.get(reply);
  REQUIRE(bench.spawner.requests.size() == 4);
  for (const SpawnRequest& request : bench.spawner.requests)
    CHECK(request.env.at("PORT") == std::to_string(4000 + request.run.pm_id));
  CHECK(code_of(bench, bench.ask(bench.supervisor.restart({0}, Env{{"PORT", "x"}}))) ==
        ErrorCode::invalid_spec);
  spec.name = "third";
  spec.env.erase("PORT");
  CHECK(code_of(bench, bench.start(spec)) == ErrorCode::invalid_spec);
}

// --- Scale ---

TEST_CASE("scale up starts new workers, scale down takes the lowest ids") {
  Bench bench;
  bench.start_cluster(cluster_app(2));
  const auto up = bench.ask(bench.supervisor.scale("web", 2, true));
  bench.listen({2, 1});
  bench.settle();
  CHECK_FALSE(up->done);
  bench.listen({3, 1});
  CHECK(bench.get(up).added == std::vector{2, 3});
  CHECK(bench.world.journal == Journal{"spawn 2.1", "spawn 3.1"});
  CHECK(bench.status(3).instance_number == 3);

  bench.world.journal.clear();
  const auto shrinking = bench.ask(bench.supervisor.scale("web", 1, false));
  REQUIRE(bench.eventually([&] { return bench.did("disconnect 2.1"); }));
  // They finish their connections before they hear a signal.
  CHECK(bench.world.journal == Journal{"disconnect 0.1", "disconnect 1.1", "disconnect 2.1"});
  for (const int id : {0, 1, 2}) bench.world.channels.at({id, 1})->close();
  const auto down = bench.get(shrinking);
  CHECK(down.removed == std::vector{0, 1, 2});
  CHECK(bench.supervisor.all_ids() == std::vector{3});
  CHECK(bench.status(3).state == State::online);
  CHECK(bench.world.alive_count() == 1);
  CHECK(bench.store.durable.instances.size() == 1);
  CHECK(bench.store.durable.apps[1].spec.instances == 1);
  CHECK(bench.listeners.closed.empty());
  CHECK(code_of(bench, bench.ask(bench.supervisor.scale("web", 1, false))) ==
        ErrorCode::nothing_to_do);
}

TEST_CASE("scale: new instances take the lowest free numbers, ids are never used again") {
  Bench bench;
  bench.start_cluster(cluster_app(3));
  const auto down = bench.ask(bench.supervisor.scale("web", 2, false));
  REQUIRE(bench.eventually([&] { return bench.did("disconnect 0.1"); }));
  bench.world.channels.at({0, 1})->close();
  bench.get(down);
  const auto up = bench.ask(bench.supervisor.scale("web", 4, false));
  for (const int id : {3, 4}) bench.listen({id, 1});
  bench.get(up);
  CHECK(bench.supervisor.all_ids() == std::vector{1, 2, 3, 4});
  std::vector<int> numbers;
  for (const int id : {1, 2, 3, 4}) numbers.push_back(bench.status(id).instance_number);
  CHECK(numbers == std::vector{1, 2, 0, 3});
}

TEST_CASE("scale ends a reload of the app") {
  Bench bench;
  bench.start_cluster(cluster_app(1));
  const auto reload = bench.reload({0});
  REQUIRE(bench.eventually([&] { return bench.world.alive({0, 2}); }));
  const auto up = bench.ask(bench.supervisor.scale("web", 2, false));
  bench.listen({1, 1});
  bench.get(up);
  CHECK(code_of(bench, reload) == ErrorCode::not_ready);
  CHECK(bench.store.durable.apps[1].spec.instances == 2);
}
