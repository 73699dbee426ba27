// Actions of apps: who is asked, who answers, and what else may happen meanwhile.
#include <doctest/doctest.h>

#include "supervisor_bench.h"

using namespace pmx;
using namespace pmx::test;

namespace {

void offer(Bench& bench, RunId run, const std::string& action) {
  bench.world.channels.at(run)->tell(CustomAction{action, "custom", 0});
}

auto call(Bench& bench, std::vector<int> ids, const std::string& action,
          Millis timeout = std::chrono::seconds(30)) {
  return bench.ask(bench.supervisor.call_action(std::move(ids), action, "p", timeout));
}

}  // namespace

TEST_CASE("those that offer an action are asked, and all answers are waited for") {
  Bench bench;
  bench.start_cluster(cluster_app(3));
  offer(bench, {0, 1}, "a");
  offer(bench, {2, 1}, "a");
  const auto reply = call(bench, {0, 1, 2}, "a");
  bench.settle();
  CHECK(bench.world.journal == Journal{"action a p 0.1", "action a p 2.1"});
  bench.world.channels.at({2, 1})->tell(ActionAnswer{"a", "2"});
  bench.world.channels.at({2, 1})->tell(ActionAnswer{"a", "3"});  // nobody waits for it
  bench.settle();
  CHECK_FALSE(reply->done);
  bench.world.channels.at({0, 1})->tell(ActionAnswer{"a", "0"});
  const auto outcomes = bench.get(reply);
  REQUIRE(outcomes.size() == 2);
  CHECK(outcomes[0].json == "0");
  CHECK(outcomes[1].pm_id == 2);
  CHECK(outcomes[1].json == "2");
}

TEST_CASE("nobody offers it: an error with what is offered") {
  Bench bench;
  bench.get(bench.start(fork_app()));
  CHECK(code_of(bench, call(bench, {0}, "a")) == ErrorCode::not_found);
  offer(bench, {0, 1}, "b");
  const auto reply = call(bench, {0}, "a");
  REQUIRE(bench.eventually([&] { return reply->done; }));
  CHECK(reply->error->hint() == "there is: b");
}

TEST_CASE("who ends, is deleted or is silent does not hold up the others") {
  Bench bench;
  AppSpec spec = fork_app();
  bench.get(bench.start(spec));
  offer(bench, {0, 1}, "a");
  auto reply = call(bench, {0}, "a");
  bench.settle();
  bench.world.end({0, 1}, exit_code(1));
  CHECK(bench.get(reply).at(0).error == "it ended before it answered");
  // The next run has offered nothing yet.
  CHECK(code_of(bench, call(bench, {0}, "a")) == ErrorCode::not_found);
  offer(bench, {0, 2}, "a");
  reply = call(bench, {0}, "a", Millis{20});
  CHECK(bench.get(reply).at(0).error == "it did not answer within 20 ms");
  // Late: the next call must not get it... unless it is the oldest that waits.
  bench.world.channels.at({0, 2})->tell(ActionAnswer{"a", "late"});
  reply = call(bench, {0}, "a");
  bench.settle();
  CHECK_FALSE(reply->done);
  bench.world.channels.at({0, 2})->tell(ActionAnswer{"a", "now"});
  CHECK(bench.get(reply).at(0).json == "now");
}

TEST_CASE("actions are on the disk for the next daemon, those of its run only") {
  Bench bench;
  bench.get(bench.start(fork_app()));
  offer(bench, {0, 1}, "a");
  CHECK(bench.store.now.instances[0].actions.size() == 1);

  Bench next;
  StoredState stored = next.stored(fork_app(), true, State::online, 0);
  stored.instances[0].actions = {{"a", "custom", 0}};
  next.recover(stored, next.run({0, 1}, "C1;"));
  CHECK(next.status(0).detail->custom.actions.size() == 1);
  CHECK(next.ask(next.supervisor.call_action({0}, "a", std::nullopt, Millis{10})) != nullptr);
  next.world.end({0, 1}, exit_code(1));
  next.settle();
  CHECK(next.status(0).detail->custom.actions.empty());
}

TEST_CASE("lines and messages: taken, or an error with the reason") {
  Bench bench;
  AppSpec spec = fork_app();
  bench.get(bench.start(spec));
  bench.supervisor.write_input(0, "line\n");
  bench.supervisor.send_message(0, "{}");
  CHECK(bench.did("input line\n 0.1"));
  CHECK(bench.did("message {} 0.1"));
  bench.spawner.next_input = InputResult::full;
  CHECK_THROWS_AS(bench.supervisor.write_input(0, "line\n"), Error);
  CHECK_THROWS_AS(bench.supervisor.write_input(1, "line\n"), Error);
  CHECK(bench.spawner.requests.back().input);
  bench.get(bench.ask(bench.supervisor.stop({0})));
  CHECK_THROWS_AS(bench.supervisor.send_message(0, "{}"), Error);
}
