// What an app tells about itself: bounds, and who gets an answer.
#include "daemon/policy/custom_reports.h"

#include <doctest/doctest.h>

#include <string>

using namespace pmx;

TEST_CASE("actions: each once, news are told, the newest form counts") {
  CustomReports reports;
  CHECK(reports.offer({"clear", "custom", 0}));
  CHECK_FALSE(reports.offer({"clear", "custom", 0}));
  CHECK(reports.offer({"clear", "custom", 2}));
  CHECK(reports.report().actions.size() == 1);
  CHECK(reports.report().actions.front().arity == 2);
  CHECK(reports.offers("clear"));
  CHECK_FALSE(reports.offers("cle"));
  CHECK(reports.report().refused == 0);
}

TEST_CASE("number and size are bounded, what is too much is counted") {
  CustomReports reports;
  for (std::size_t i = 0; i < 2 * CustomReports::kMaxActions; ++i)
    reports.offer({std::to_string(i), "", 0});
  CHECK(reports.report().actions.size() == CustomReports::kMaxActions);
  for (std::size_t i = 0; i < 2 * CustomReports::kMaxMetrics; ++i)
    reports.set({std::to_string(i), "1", "", ""});
  CHECK(reports.report().metrics.size() == CustomReports::kMaxMetrics);
  CHECK(reports.report().refused == CustomReports::kMaxActions + CustomReports::kMaxMetrics);

  const std::string long_text(CustomReports::kMaxOptions + 1, 'x');
  CHECK_FALSE(reports.offer({long_text, "", 0}));
  CHECK_FALSE(reports.offer({"", "", 0}));
  reports.set({"0", long_text, "", ""});
  reports.set({"0", "1", long_text, ""});
  reports.set_options(long_text);
  CHECK(reports.report().refused == CustomReports::kMaxActions + CustomReports::kMaxMetrics + 5);
  CHECK(reports.report().options == "{}");
  // A metric that is known is replaced, also when there is no room for a new one.
  reports.set({"0", "2", "ms", ""});
  CHECK(reports.report().metrics.front().value == "2");
}

TEST_CASE("of several calls of an action the oldest is answered") {
  ActionCalls calls;
  const auto first = calls.begin("a");
  const auto other = calls.begin("b");
  const auto second = calls.begin("a");
  REQUIRE((first && other && second));
  CHECK_FALSE(calls.answer("c", "0"));
  CHECK(calls.answer("a", "1"));
  CHECK(calls.answer("a", "2"));
  CHECK_FALSE(calls.answer("a", "3"));
  REQUIRE(calls.answer_of(*first) != nullptr);
  CHECK(*calls.answer_of(*first) == "1");
  CHECK(*calls.answer_of(*second) == "2");
  CHECK(calls.answer_of(*other) == nullptr);
  calls.end(*other);
  CHECK_FALSE(calls.answer("b", "4"));
}

TEST_CASE("calls are bounded") {
  ActionCalls calls;
  std::optional<std::uint64_t> last;
  for (std::size_t i = 0; i < ActionCalls::kMost; ++i) last = calls.begin("a");
  CHECK_FALSE(calls.begin("a"));
  calls.end(*last);
  CHECK(calls.begin("a"));
}
