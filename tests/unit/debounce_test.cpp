// Debounce: one event after changes have come to rest, or have gone on for too long.
#include "daemon/policy/debounce.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace pmx;
using namespace std::chrono_literals;

namespace {
constexpr TimePoint kStart = TimePoint{} + 1000s;
}  // namespace

TEST_CASE("nothing is due without a change") {
  Debounce debounce(100ms, 1s);
  CHECK_FALSE(debounce.due().has_value());
  CHECK(debounce.take().empty());
}

TEST_CASE("each change puts the event off") {
  Debounce debounce(100ms, 1s);
  debounce.add("a", kStart);
  CHECK(debounce.due() == kStart + 100ms);
  debounce.add("b", kStart + 90ms);
  CHECK(debounce.due() == kStart + 190ms);
}

TEST_CASE("but not for ever") {
  Debounce debounce(100ms, 1s);
  for (auto at = kStart; at < kStart + 5s; at += 50ms) debounce.add("a", at);
  CHECK(debounce.due() == kStart + 1s);
}

TEST_CASE("after the event everything begins anew") {
  Debounce debounce(100ms, 1s);
  debounce.add("a", kStart);
  CHECK(debounce.take() == "a");
  CHECK_FALSE(debounce.due().has_value());
  debounce.add("b", kStart + 5s);
  CHECK(debounce.due() == kStart + 5s + 100ms);
  CHECK(debounce.take() == "b");
}

TEST_CASE("it names the first path and counts the others once each") {
  Debounce debounce(0ms, 1s);
  debounce.add("src/b", kStart);
  debounce.add("src/b", kStart);
  CHECK(debounce.due() == kStart);
  CHECK(debounce.take() == "src/b");
  for (const char* const path : {"src/b", "src/a", "src/b", "src/c"}) debounce.add(path, kStart);
  CHECK(debounce.take() == "src/b and 2 more");
  for (int i = 0; i < 5000; ++i) debounce.add(fmt::format("x{}", i), kStart);
  CHECK(debounce.take() == "x0 and 999 or more");
}
