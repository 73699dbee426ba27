#include "cli/render/list_table.h"

#include <doctest/doctest.h>

#include <string>

#include "cli/render/cells.h"
#include "cli/render/text_width.h"
#include "tests/golden/golden_data.h"

namespace pmx::cli {
namespace {

std::size_t widest_line(const std::string& text) {
  std::size_t widest = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    widest = std::max(widest, display_width(std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
  return widest;
}

TEST_CASE("piped: the full layout") {
  CHECK(
      list_table(golden::instances(), {std::nullopt, false, golden::kNow}) ==
      R"(┌────┬────────────┬───────────┬─────────┬─────────┬──────┬────────┬───┬─────────────────┬───────┬────────┬──────┬──────────┐
│ id │ name       │ namespace │ version │ mode    │ pid  │ uptime │ ↺ │ status          │ cpu   │ mem    │ user │ watching │
├────┼────────────┼───────────┼─────────┼─────────┼──────┼────────┼───┼─────────────────┼───────┼────────┼──────┼──────────┤
│ 0  │ api        │ default   │ 1.2.3   │ cluster │ 4000 │ 60s    │ 0 │ online          │ 12.5% │ 51.4mb │ root │ disabled │
│ 1  │ worker     │ default   │ N/A     │ fork    │ 0    │ 0      │ 7 │ waiting restart │ 0%    │ 0b     │ root │ disabled │
│ 2  │ größe-日本 │ default   │ N/A     │ fork    │ N/A  │ 0      │ 0 │ errored         │ 0%    │ 0b     │ root │ disabled │
└────┴────────────┴───────────┴─────────┴─────────┴──────┴────────┴───┴─────────────────┴───────┴────────┴──────┴──────────┘
)");
}

TEST_CASE("120 columns: the full layout, the longest status shortened") {
  CHECK(
      list_table(golden::instances(), {120, false, golden::kNow}) ==
      R"(┌────┬────────────┬───────────┬─────────┬─────────┬──────┬────────┬───┬─────────────┬───────┬────────┬──────┬──────────┐
│ id │ name       │ namespace │ version │ mode    │ pid  │ uptime │ ↺ │ status      │ cpu   │ mem    │ user │ watching │
├────┼────────────┼───────────┼─────────┼─────────┼──────┼────────┼───┼─────────────┼───────┼────────┼──────┼──────────┤
│ 0  │ api        │ default   │ 1.2.3   │ cluster │ 4000 │ 60s    │ 0 │ online      │ 12.5% │ 51.4mb │ root │ disabled │
│ 1  │ worker     │ default   │ N/A     │ fork    │ 0    │ 0      │ 7 │ waiting re… │ 0%    │ 0b     │ root │ disabled │
│ 2  │ größe-日本 │ default   │ N/A     │ fork    │ N/A  │ 0      │ 0 │ errored     │ 0%    │ 0b     │ root │ disabled │
└────┴────────────┴───────────┴─────────┴─────────┴──────┴────────┴───┴─────────────┴───────┴────────┴──────┴──────────┘
)");
}

TEST_CASE("80 columns: the condensed layout") {
  CHECK(list_table(golden::instances(), {80, false, golden::kNow}) ==
        R"(┌────┬────────────┬─────────┬───┬─────────────────┬───────┬────────┐
│ id │ name       │ mode    │ ↺ │ status          │ cpu   │ memory │
├────┼────────────┼─────────┼───┼─────────────────┼───────┼────────┤
│ 0  │ api        │ cluster │ 0 │ online          │ 12.5% │ 51.4mb │
│ 1  │ worker     │ fork    │ 7 │ waiting restart │ 0%    │ 0b     │
│ 2  │ größe-日本 │ fork    │ 0 │ errored         │ 0%    │ 0b     │
└────┴────────────┴─────────┴───┴─────────────────┴───────┴────────┘
)");
}

TEST_CASE("60 columns: the mini layout") {
  CHECK(list_table(golden::instances(), {60, false, golden::kNow}) ==
        R"(┌────┬────────────┬─────────────────┬───────┬────────┐
│ id │ name       │ status          │ cpu   │ mem    │
├────┼────────────┼─────────────────┼───────┼────────┤
│ 0  │ api        │ online          │ 12.5% │ 51.4mb │
│ 1  │ worker     │ waiting restart │ 0%    │ 0b     │
│ 2  │ größe-日本 │ errored         │ 0%    │ 0b     │
└────┴────────────┴─────────────────┴───────┴────────┘
)");
}

TEST_CASE("no width is exceeded") {
  auto instances = golden::instances();
  instances.push_back(golden::instance(
      1234567, "a name that is longer than any column would ever like it to be, 日本語",
      InstanceState::online));
  for (std::size_t width = 8; width < 200; ++width) {
    CAPTURE(width);
    CHECK(widest_line(list_table(instances, {width, false, golden::kNow})) <= width);
  }
}

TEST_CASE("an empty list is a head") {
  CHECK(list_table({}, {60, false, golden::kNow}) ==
        R"(┌────┬──────┬──────┬───┬────────┬─────┬────────┐
│ id │ name │ mode │ ↺ │ status │ cpu │ memory │
├────┼──────┼──────┼───┼────────┼─────┼────────┤
└────┴──────┴──────┴───┴────────┴─────┴────────┘
)");
}

TEST_CASE("colours add nothing but escape sequences") {
  std::string text = list_table(golden::instances(), {80, true, golden::kNow});
  CHECK(text.find("\x1b[1;32monline\x1b[0m") != std::string::npos);
  for (std::size_t at = text.find('\x1b'); at != std::string::npos; at = text.find('\x1b')) {
    text.erase(at, text.find('m', at) + 1 - at);
  }
  CHECK(text == list_table(golden::instances(), {80, false, golden::kNow}));
}

TEST_CASE("control characters in a name do not reach the terminal") {
  const std::vector<InstanceStatus> instances = {
      golden::instance(0, "a\x1b[2Jb\n", InstanceState::online)};
  const std::string text = list_table(instances, {std::nullopt, false, golden::kNow});
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("a?[2Jb?") != std::string::npos);
}

TEST_CASE("mini list") {
  const std::vector<InstanceStatus> instances = {golden::instance(0, "api", InstanceState::online)};
  CHECK(mini_list(instances, {std::nullopt, false, golden::kNow}) ==
        "+--- api\nnamespace : default\nversion : N/A\npid : 4000\npmx id : 0\nstatus : online\n"
        "mode : fork\nrestarted : 0\nuptime : 60s\nmemory usage : 51.4mb\nwatching : no\n\n");
}

TEST_CASE("cells") {
  CHECK(uptime_text(0) == "0s");
  CHECK(uptime_text(119'999) == "119s");
  CHECK(uptime_text(120'000) == "2m");
  CHECK(uptime_text(7'199'000) == "119m");
  CHECK(uptime_text(7'200'000) == "2h");
  CHECK(uptime_text(172'800'000) == "2D");
  CHECK(uptime_text(5'184'000'000) == "2M");
  CHECK(uptime_text(63'072'000'000) == "2Y");
  CHECK(uptime_text(-5) == "0s");
  CHECK(cpu_text(0) == "0%");
  CHECK(cpu_text(3.04) == "3%");
  CHECK(cpu_text(12.46) == "12.5%");
  CHECK(memory_text(0) == "0b");
  CHECK(memory_text(1536) == "1.5kb");
  CHECK(memory_text(53'897'625) == "51.4mb");
  CHECK(memory_text(3ULL << 30U) == "3.0gb");
  CHECK(time_text(golden::kNow + 7) == "2027-01-15T08:00:00.007Z");
}

TEST_CASE("sorting") {
  auto instances = golden::instances();
  REQUIRE(sort_instances(instances, "id:desc"));
  CHECK(instances.front().pm_id == 2);
  REQUIRE(sort_instances(instances, "name"));
  CHECK(instances.front().name == "api");
  REQUIRE(sort_instances(instances, "memory:desc"));
  CHECK(instances.front().name == "api");
  REQUIRE(sort_instances(instances, "restarts:desc"));
  CHECK(instances[0].name == "worker");
  CHECK_FALSE(sort_instances(instances, "colour"));
  CHECK_FALSE(sort_instances(instances, "id:up"));
}

}  // namespace
}  // namespace pmx::cli
