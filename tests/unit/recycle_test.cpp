// Recycling: runs end in time, never two instances at once, and not in step.
#include "daemon/policy/recycle.h"

#include <doctest/doctest.h>

#include <set>

using namespace pmx;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart = TimePoint{} + 1000s;

std::vector<RecycleCandidate> instances(std::uint64_t count) {
  std::vector<RecycleCandidate> app;
  for (std::uint64_t id = 0; id < count; ++id) app.push_back({id, 0, kStart, true});
  return app;
}

}  // namespace

TEST_CASE("a run is recycled between 0.9 and 1.0 of max_uptime, and always at the same moment") {
  std::set<TimePoint> moments;
  for (std::uint64_t id = 0; id < 100; ++id) {
    for (std::uint64_t run = 0; run < 10; ++run) {
      const TimePoint due = recycle_due(1h, {id, run, kStart, true});
      CHECK(due > kStart + 54min);
      CHECK(due <= kStart + 1h);
      CHECK(due == recycle_due(1h, {id, run, kStart, false}));
      moments.insert(due);
    }
  }
  CHECK(moments.size() == 1000);
}

TEST_CASE("without max_uptime nothing is recycled") {
  const RecycleDecision decision = decide_recycle(0ms, instances(3), kStart + 999h);
  CHECK_FALSE(decision.recycle.has_value());
  CHECK_FALSE(decision.ask_again.has_value());
  CHECK_FALSE(decide_recycle(1h, {}, kStart + 999h).recycle.has_value());
}

TEST_CASE("before the first is due: when to ask again") {
  const auto app = instances(4);
  const RecycleDecision decision = decide_recycle(1h, app, kStart + 1min);
  CHECK_FALSE(decision.recycle.has_value());
  REQUIRE(decision.ask_again.has_value());
  CHECK(decide_recycle(1h, app, *decision.ask_again).recycle.has_value());
  CHECK_FALSE(decide_recycle(1h, app, *decision.ask_again - 1ns).recycle.has_value());
}

TEST_CASE(
    "all are overdue, as after a long stay of the machine: one, and the next when it is back") {
  auto app = instances(4);
  const TimePoint now = kStart + 99h;
  std::set<std::uint64_t> recycled;
  for (int i = 0; i < 4; ++i) {
    const auto which = decide_recycle(1h, app, now).recycle;
    REQUIRE(which.has_value());
    CHECK(recycled.insert(*which).second);
    app[*which].ready = false;
    const RecycleDecision meanwhile = decide_recycle(1h, app, now);
    CHECK_FALSE(meanwhile.recycle.has_value());
    CHECK_FALSE(meanwhile.ask_again.has_value());
    app[*which] = {*which, 1, now, true};
  }
  CHECK_FALSE(decide_recycle(1h, app, now).recycle.has_value());
}

TEST_CASE("the longest overdue goes first") {
  auto app = instances(2);
  app[1].started_at = kStart - 1h;
  CHECK(decide_recycle(1h, app, kStart + 2h).recycle == 1);
}

TEST_CASE("for weeks: one at a time, none older than max_uptime by more than the queue takes") {
  auto app = instances(8);
  constexpr auto kTimeToStart = 20s;
  TimePoint now = kStart;
  int recycles = 0;
  while (now < kStart + 24h * 14) {
    const RecycleDecision decision = decide_recycle(1h, app, now);
    if (!decision.recycle) {
      REQUIRE(decision.ask_again.has_value());
      now = *decision.ask_again;
      continue;
    }
    RecycleCandidate& instance = app[*decision.recycle];
    CHECK(now - instance.started_at <= 1h + 8 * kTimeToStart);
    now += kTimeToStart;
    instance = {instance.id, instance.run + 1, now, true};
    ++recycles;
  }
  CHECK(recycles >= 8 * 14 * 24);
}
