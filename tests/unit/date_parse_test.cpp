// Dates read back, and the lines and times of logs that are made of them.
#include "common/base/date_parse.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>
#include <optional>

#include "cli/log_view/log_filter.h"
#include "common/base/date_pattern.h"
#include "common/base/error.h"

using namespace std::chrono_literals;
using namespace pmx;

namespace {

struct Zone {
  explicit Zone(const char* name) {
    ::setenv("TZ", name, 1);
    ::tzset();
  }
  ~Zone() {
    ::unsetenv("TZ");
    ::tzset();
  }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;
};

const LogTime kTime{1'700'000'000'123ms};  // 2023-11-14T22:13:20.123Z

std::optional<LogTime> iso(std::string_view text) {
  const auto date = parse_iso_date(text);
  return date ? std::optional(date->time) : std::nullopt;
}

}  // namespace

TEST_CASE("what format_date has written is read back") {
  const Zone zone("UTC-02:30");
  for (const char* pattern :
       {"YYYY-MM-DDTHH:mm:ss.SSSZ", "x", "D/M/YY h:m:s.SSS A", "[on] YYYYMMDD HHmmss.SSS ZZ"}) {
    CAPTURE(pattern);
    const std::string text = format_date(pattern, kTime);
    const auto date = parse_date(pattern, text + ": x");
    REQUIRE(date);
    CHECK(date->time == kTime);
    CHECK(date->length == text.size());
  }
  CHECK(parse_date("X", "1700000000")->time == LogTime(1'700'000'000s));
  CHECK_FALSE(parse_date("HH:mm:ss", "10:11:12"));  // of which day?
  CHECK_FALSE(parse_date("YYYY-MM-DD HH", "2023-11-14 x"));
  CHECK_FALSE(parse_date("YYYY-MM-DD HH", "2023-13-14 10"));
  CHECK_FALSE(parse_date("YYYY-MM-DD HH", ""));
}

TEST_CASE("ISO dates, and UTC") {
  const Zone zone("UTC-02:30");
  CHECK(iso("2023-11-14T22:13:20.123Z: x") == kTime);
  CHECK(iso("2023-11-15 00:43:20.123456 x") == kTime);
  CHECK(iso("2023-11-14T20:13:20,123-02:00") == kTime);
  CHECK(iso("2023-11-14T22:13Z") == kTime - 20'123ms);
  for (const char* text :
       {"", "x", "2023-11-14", "2023-11-14T", "2023-11-14T25:00", "20231114T2213"})
    CHECK_FALSE(iso(text));
  CHECK(iso_utc(kTime) == "2023-11-14T22:13:20.123Z");
}

TEST_CASE("times that people type") {
  const Zone zone("UTC");
  const auto time = [](const char* text) { return parse_log_time(text, kTime); };
  CHECK(time("10m") == kTime - 10min);
  CHECK(time("2h") == kTime - 2h);
  CHECK(time("3d") == kTime - 72h);
  CHECK(time("2023-11-14") == LogTime(1'699'920'000s));
  CHECK(time("2023-11-14 22:13:20.123") == kTime);
  CHECK(time("22:13") == kTime - 20'123ms);
  CHECK(time("22:14") == kTime - 20'123ms + 1min - 24h);  // that was yesterday
  CHECK(time("7:05:01") == LogTime(1'699'920'000s + 7h + 5min + 1s));
  for (const char* text : {"", "10", "m", "10x", "2023-11-14 22:13:20 x", "25:00", "now"}) {
    CAPTURE(text);
    CHECK_FALSE(time(text));
  }
}

TEST_CASE("lines: their time, and what the app has said") {
  const Zone zone("UTC");
  std::string timestamp;
  const LogFileEntry dated{0, "a", LogStream::out, "", "YYYY-MM-DD HH:mm:ss", false};
  CHECK(written_at(dated, "2023-11-14 22:13:20: x: y") == kTime - 123ms);
  CHECK(message_of(dated, "2023-11-14 22:13:20: x: y", timestamp) == "x: y");
  CHECK(timestamp == "2023-11-14 22:13:20");
  CHECK_FALSE(written_at(dated, "no date: x"));
  timestamp.clear();
  CHECK(message_of(dated, "no date: x", timestamp) == "no date: x");
  CHECK(timestamp.empty());

  const LogFileEntry json{0, "a", LogStream::out, "", "", true};
  const char* const record =
      R"({"app_name":"a","message":"m\n","process_id":0,"timestamp":"2023-11-14T22:13:20.123+00:00","type":"out"})";
  CHECK(written_at(json, record) == kTime);
  CHECK(message_of(json, record, timestamp) == "m");
  for (const char* text : {"{", "{}", R"({"message":1,"timestamp":"x"})", "plain"}) {
    CHECK_FALSE(written_at(json, text));
    CHECK(message_of(json, text, timestamp) == text);
  }

  const LogFileEntry plain{0, "a", LogStream::out, ""};
  CHECK(written_at(plain, "2023-11-14T22:13:20.123Z hello") == kTime);
  CHECK(written_at(plain, "[2023-11-14 22:13:20.123] hello") == kTime);
  CHECK_FALSE(written_at(plain, "hello"));
}

TEST_CASE("filters") {
  LogFilter filter;
  CHECK_FALSE(filter.is_active());
  CHECK(filter.wants({"x"}, false));
  filter.set_pattern("^a+b|c$", false, false);
  CHECK(filter.is_active());
  CHECK(filter.wants({"aab"}, false));
  CHECK(filter.wants({std::string_view("x\0c", 3)}, false));
  CHECK_FALSE(filter.wants({"xab"}, false));
  CHECK_FALSE(filter.wants({std::string_view("aab").substr(0, 2)}, false));  // not beyond its end
  filter.set_pattern("ab", true, true);
  CHECK_FALSE(filter.wants({"xAB"}, false));
  CHECK(filter.wants({std::string(300'000, 'x')}, false));
  CHECK_THROWS_AS(filter.set_pattern("(", false, false), Error);

  LogFilter times;
  times.since = kTime;
  times.until = kTime + 1s;
  CHECK(times.wants({"x", kTime}, false));
  CHECK_FALSE(times.wants({"x", kTime - 1ms}, true));
  CHECK_FALSE(times.wants({"x", kTime + 1001ms}, true));
  CHECK_FALSE(times.wants({"x"}, false));
  CHECK(times.wants({"x"}, true));
}
