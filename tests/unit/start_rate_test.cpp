// StartRate: a burst at once, then evenly spread.
#include "daemon/policy/start_rate.h"

#include <doctest/doctest.h>

#include <vector>

using namespace pmx;
using namespace std::chrono_literals;

namespace {
constexpr TimePoint kStart = TimePoint{} + 1000s;
}  // namespace

TEST_CASE("a single start never waits") {
  StartRate rate(1, 50ms);
  for (int i = 0; i < 5; ++i) CHECK(rate.wait_for_next(kStart + 50ms * i) == 0ms);
}

TEST_CASE("a burst at once, the others one after another") {
  StartRate rate(3, 50ms);
  for (const auto expected : {0ms, 0ms, 0ms, 50ms, 100ms, 150ms}) {
    CHECK(rate.wait_for_next(kStart) == expected);
  }
}

TEST_CASE("what is waiting keeps its place") {
  StartRate rate(1, 50ms);
  rate.wait_for_next(kStart);
  CHECK(rate.wait_for_next(kStart + 10ms) == 40ms);
  CHECK(rate.wait_for_next(kStart + 20ms) == 80ms);
}

TEST_CASE("quiet fills the bucket again, to the brim and no further") {
  StartRate rate(3, 50ms);
  for (int i = 0; i < 6; ++i) rate.wait_for_next(kStart);
  CHECK(rate.wait_for_next(kStart + 250ms) == 0ms);
  CHECK(rate.wait_for_next(kStart + 250ms) == 0ms);
  CHECK(rate.wait_for_next(kStart + 250ms) == 50ms);
  for (const auto expected : {0ms, 0ms, 0ms, 50ms}) {
    CHECK(rate.wait_for_next(kStart + 1h) == expected);
  }
}

TEST_CASE("a thousand apps: never more than the rate in any second") {
  StartRate rate(10, 50ms);
  std::vector<TimePoint> starts;
  for (int i = 0; i < 1000; ++i) starts.push_back(kStart + rate.wait_for_next(kStart));
  for (std::size_t i = 30; i < starts.size(); ++i) CHECK(starts[i] - starts[i - 30] >= 1s);
  CHECK(starts.back() == kStart + 50ms * 990);
}

TEST_CASE("no limit") {
  StartRate rate(1, 0ms);
  for (int i = 0; i < 100; ++i) CHECK(rate.wait_for_next(kStart) == 0ms);
}
