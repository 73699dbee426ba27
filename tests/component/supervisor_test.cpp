// Supervisor with its instances and stoppers on a real event loop, the ports faked.
#include "daemon/runtime/supervisor.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>

#include "common/base/error.h"
#include "daemon/runtime/task_group.h"
#include "tests/support/fake_ports.h"

using namespace pmx;
using namespace pmx::test;
using namespace std::chrono_literals;

namespace {

using Journal = std::vector<std::string>;
using State = InstanceState;

template <class T>
struct Reply {
  bool done = false;
  T value{};
  std::optional<Error> error;
};
struct Nothing {};

template <class T>
awaitable<void> answer(std::shared_ptr<Reply<T>> reply, awaitable<T> task) {
  try {
    reply->value = co_await std::move(task);
  } catch (const Error& error) {
    reply->error = error;
  }
  reply->done = true;
}

awaitable<Nothing> with_value(awaitable<void> task) {
  co_await std::move(task);
  co_return Nothing{};
}

AppSpec fork_app(const std::string& name = "app") {
  AppSpec spec;
  spec.name = name;
  spec.script = "/srv/" + name;
  spec.cwd = "/srv";
  spec.kill_timeout = 50ms;
  spec.listen_timeout = 10s;
  return spec;
}

AppSpec cluster_app(int instances) {
  AppSpec spec = fork_app("web");
  spec.exec_mode = ExecMode::cluster;
  spec.interpreter = "node";
  spec.instances = instances;
  return spec;
}

ExitStatus exit_code(int code) { return {ExitStatus::Kind::exited, code, false}; }

struct Bench {
  asio::io_context io;
  FakeWorld world{io};
  RealClock clock;
  FakeSpawner spawner{world};
  FakeStore store{world};
  FakeLogSink logs{world};
  FakeListenerSet listeners;
  FakeWorkerChannels channels{world};
  FakeProcessTable processes{world};
  Journal daemon_log;
  int last_unique_id = 0;
  Supervisor supervisor{ports()};
  TaskGroup tasks{io, [](const std::string& task, const std::string& what) {
                    FAIL_CHECK(task << ": " << what);
                  }};

  Bench() = default;
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() {
    tasks.cancel();
    settle();
  }

  Ports ports() {
    return {.io = io,
            .clock = clock,
            .spawner = spawner,
            .store = store,
            .logs = logs,
            .listeners = listeners,
            .channels = channels,
            .processes = processes,
            .home = "/home/pmx",
            .preload_library = "",
            .listen_socket = "",
            .boot_id = "boot",
            .paths =
                [](const AppSpec& spec, int pm_id) {
                  const std::string base = fmt::format("/home/pmx/{}-{}", spec.name, pm_id);
                  return InstancePaths{base + ".out", base + ".err", base + ".pid"};
                },
            .new_unique_id = [this] { return fmt::format("unique-{}", ++last_unique_id); },
            .command =
                [](const AppSpec& spec, int) {
                  return std::pair(spec.script, std::vector<std::string>{spec.script});
                },
            .log = [this](const std::string& line) { daemon_log.push_back(line); }};
  }

  // All that can happen without time passing.
  void settle() {
    do {
      io.restart();
    } while (io.poll() != 0);
  }
  template <class Condition>
  bool eventually(Condition condition, std::chrono::milliseconds limit = 5s) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      io.restart();
      io.run_one_until(deadline);
    }
    return true;
  }
  template <class T>
  std::shared_ptr<Reply<T>> ask(awaitable<T> task) {
    auto reply = std::make_shared<Reply<T>>();
    tasks.spawn("request", answer<T>(reply, std::move(task)));
    return reply;
  }
  std::shared_ptr<Reply<Nothing>> ask(awaitable<void> task) {
    return ask<Nothing>(with_value(std::move(task)));
  }
  template <class R>
  auto get(const std::shared_ptr<R>& reply) {
    REQUIRE(eventually([&] { return reply->done; }));
    if (reply->error) throw *reply->error;
    return reply->value;
  }

  auto start(AppSpec spec, bool force = false) {
    std::vector<AppSpec> specs;
    specs.push_back(std::move(spec));
    return ask(supervisor.start(std::move(specs), force, true, false));
  }
  auto reload(std::vector<int> ids, Supervisor::ReloadOptions options = {}) {
    return ask(supervisor.reload(std::move(ids), std::move(options), {}));
  }
  // The new process of a rolling reload listens, and the old one drains.
  void replace(int pm_id, std::uint32_t old_generation, std::uint32_t new_generation) {
    listen({pm_id, new_generation});
    REQUIRE(
        eventually([&] { return did(fmt::format("disconnect {}.{}", pm_id, old_generation)); }));
    world.channels.at({pm_id, old_generation})->close();
  }
  void start_cluster(AppSpec spec) {
    const int count = spec.instances;
    const auto reply = start(std::move(spec));
    for (int id = 0; id < count; ++id) listen({id, 1});
    get(reply);
    world.journal.clear();
  }
  void listen(RunId run) {
    REQUIRE(eventually([&] { return world.channels.contains(run); }));
    world.channels.at(run)->listen();
  }
  InstanceStatus status(int pm_id) {
    const std::vector<InstanceStatus> all = supervisor.status({pm_id}, true);
    REQUIRE(all.size() == 1);
    return all.front();
  }
  bool did(const std::string& entry) const {
    return std::ranges::find(world.journal, entry) != world.journal.end();
  }

  // What an earlier daemon leaves: one instance of `spec` that ran as generation 1.
  StoredState stored(const AppSpec& spec, bool wanted, State state, pid_t pid) const {
    InstanceRecord record;
    record.pm_id = 0;
    record.app_id = 1;
    record.unique_id = "unique-old";
    record.wanted = wanted;
    record.state = state;
    record.started_at = record.created_at = clock.wall_now() - 60'000;
    record.generation = 1;
    record.pid = pid;
    record.start_time = 77;
    record.boot_id = "boot";
    StoredState stored;
    stored.apps = {{1, spec}};
    stored.instances = {record};
    return stored;
  }
  AdoptedRun run(RunId id, const std::string& note) {
    AdoptedRun run;
    run.run = id;
    run.process = world.add_process(id, fmt::format("{}.{}.unique-old", id.pm_id, id.generation));
    run.note = note;
    return run;
  }
  void recover(const StoredState& state, AdoptedRun first) {
    std::vector<AdoptedRun> runs;
    runs.push_back(std::move(first));
    supervisor.recover(state, std::move(runs));
    settle();
  }
};

template <class R>
std::optional<ErrorCode> code_of(Bench& bench, const std::shared_ptr<R>& reply) {
  REQUIRE(bench.eventually([&] { return reply->done; }));
  return reply->error ? std::optional(reply->error->code()) : std::nullopt;
}

}  // namespace

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
  const auto begun = std::chrono::steady_clock::now();
  const auto reply = bench.ask(bench.supervisor.stop({0}));
  bench.settle();
  CHECK(bench.world.journal == Journal{"SIGINT 0.1"});
  CHECK(bench.status(0).state == State::stopping);
  CHECK_FALSE(reply->done);
  bench.get(reply);
  CHECK(std::chrono::steady_clock::now() - begun >= 50ms);
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
  const auto begun = std::chrono::steady_clock::now();
  const auto reply = bench.reload({0});
  bench.listen({0, 2});
  bench.settle();
  CHECK(bench.world.journal == Journal{"spawn 0.2"});
  SUBCASE("it stays") {
    REQUIRE(bench.eventually([&] { return bench.did("disconnect 0.1"); }));
    CHECK(std::chrono::steady_clock::now() - begun >= 50ms);
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
