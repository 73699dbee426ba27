// A Supervisor with its instances and stoppers on a real event loop, the ports faked.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "daemon/runtime/supervisor.h"
#include "daemon/runtime/task_group.h"
#include "tests/support/fake_ports.h"

namespace pmx::test {

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

inline awaitable<Nothing> with_value(awaitable<void> task) {
  co_await std::move(task);
  co_return Nothing{};
}

inline AppSpec fork_app(const std::string& name = "app") {
  AppSpec spec;
  spec.name = name;
  spec.script = "/srv/" + name;
  spec.cwd = "/srv";
  spec.kill_timeout = Millis(50);
  spec.listen_timeout = Millis(10'000);
  return spec;
}

inline AppSpec cluster_app(int instances) {
  AppSpec spec = fork_app("web");
  spec.exec_mode = ExecMode::cluster;
  spec.interpreter = "node";
  spec.instances = instances;
  return spec;
}

inline ExitStatus exit_code(int code) { return {ExitStatus::Kind::exited, code, false}; }

struct Bench {
  asio::io_context io;
  FakeWorld world{io};
  RealClock clock;
  FakeSpawner spawner{world};
  FakeStore store{world};
  FakeLogSink logs{world};
  FakeListenerSet listeners;
  FakeWorkerChannels channels{world};
  FakeBindWatches binds{world};
  FakeNotifyWatches notifies;
  FakeProber prober;
  FakeProcessTable processes{world};
  FakeFileWatch files{world};
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
            .binds = binds,
            .notifies = notifies,
            .prober = prober,
            .processes = processes,
            .files = files,
            .home = "/home/pmx",
            .preload_library = "",
            .listen_socket = "",
            .boot_id = "boot",
            .paths =
                [](const AppSpec& spec, int pm_id) {
                  const std::string base = fmt::format("/home/pmx/{}-{}", spec.name, pm_id);
                  return InstancePaths{base + ".out", base + ".err", "", base + ".pid"};
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
  bool eventually(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(5)) {
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

}  // namespace pmx::test
