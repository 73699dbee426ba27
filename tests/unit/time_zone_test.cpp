// TimeZone: TZif files, rules for later years, skipped and repeated times, and broken files.
#include "daemon/policy/time_zone.h"

#include <doctest/doctest.h>

#include <ctime>
#include <fstream>
#include <random>
#include <sstream>

#include "common/base/error.h"
#include "daemon/os/zone_file.h"
#include "tests/unit/tzif_bytes.h"

using namespace pmx;
using namespace std::chrono;
using namespace std::chrono_literals;
using test::berlin;
using test::by_rule;
using test::tzif;
using test::utc;

namespace {

seconds offset(const TimeZone& zone, sys_seconds instant) { return zone.info_at(instant).offset; }

std::string refusal(const std::string& bytes) {
  try {
    TimeZone::parse("Test/Broken", bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("without a file: UTC") {
  const TimeZone zone;
  CHECK(zone.name() == "UTC");
  CHECK(offset(zone, utc(2026, 7, 1, 0, 0)) == 0s);
  CHECK(zone.to_sys(local_days{2026y / 7 / 1}) == utc(2026, 7, 1, 0, 0));
}

TEST_CASE("transitions of the file, and what held before and after them") {
  const TimeZone zone =
      TimeZone::parse("Test/File", tzif({600, 3600, 7200}, {{1000, 1}, {2000, 2}}, ""));
  CHECK(offset(zone, sys_seconds{999s}) == 600s);
  CHECK(offset(zone, sys_seconds{1000s}) == 3600s);
  CHECK(offset(zone, sys_seconds{1999s}) == 3600s);
  CHECK(offset(zone, sys_seconds{2000s}) == 7200s);
  CHECK(offset(zone, utc(2500, 1, 1, 0, 0)) == 7200s);
  CHECK(zone.info_at(sys_seconds{1500s}).begin == sys_seconds{1000s});
  CHECK(zone.info_at(sys_seconds{1500s}).end == sys_seconds{2000s});
}

TEST_CASE("the rule holds after the last transition only") {
  const auto last = utc(2026, 2, 1, 0, 0);
  const TimeZone zone = TimeZone::parse(
      "Test/Both",
      tzif({-3600, 3600}, {{last.time_since_epoch().count(), 1}}, "CET-1CEST,M3.5.0,M10.5.0/3"));
  CHECK(offset(zone, utc(2025, 7, 1, 0, 0)) == -1h);
  CHECK(offset(zone, utc(2026, 2, 2, 0, 0)) == 1h);
  CHECK(zone.info_at(utc(2026, 2, 2, 0, 0)).begin == last);
  CHECK(offset(zone, utc(2026, 7, 1, 0, 0)) == 2h);
}

TEST_CASE("rules in their forms") {
  const auto changes_at = [](const TimeZone& zone, sys_seconds instant) {
    return zone.info_at(instant).begin == instant;
  };
  CHECK(changes_at(berlin(), utc(2026, 3, 29, 1, 0)));
  CHECK(changes_at(berlin(), utc(2026, 10, 25, 1, 0)));
  const TimeZone sydney = by_rule("AEST-10AEDT,M10.1.0,M4.1.0/3");
  CHECK(offset(sydney, utc(2026, 1, 1, 0, 0)) == 11h);
  CHECK(offset(sydney, utc(2026, 7, 1, 0, 0)) == 10h);
  CHECK(changes_at(sydney, utc(2026, 10, 3, 16, 0)));
  const TimeZone lord_howe = by_rule("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0");
  CHECK(offset(lord_howe, utc(2026, 7, 1, 0, 0)) == 10h + 30min);
  CHECK(offset(lord_howe, utc(2026, 1, 1, 0, 0)) == 11h);
  // A day before the last Sunday: in March of 2026 that is the 28th, at 22:00 in winter time.
  const TimeZone godthab = by_rule("<-02>2<-01>,M3.5.0/-1,M10.5.0/0");
  CHECK(changes_at(godthab, utc(2026, 3, 29, 1, 0)));
  const TimeZone dublin = by_rule("IST-1GMT0,M10.5.0,M3.5.0/1");
  CHECK(offset(dublin, utc(2026, 1, 1, 0, 0)) == 0h);
  CHECK(offset(dublin, utc(2026, 7, 1, 0, 0)) == 1h);
  CHECK(changes_at(by_rule("A0B,J60/0,J300"), utc(2028, 3, 1, 0, 0)));
  CHECK(changes_at(by_rule("A0B,J60/0,J300"), utc(2027, 3, 1, 0, 0)));
  CHECK(changes_at(by_rule("A0B,59/0,300"), utc(2028, 2, 29, 0, 0)));
  CHECK(offset(by_rule("<+0545>-5:45"), utc(2026, 1, 1, 0, 0)) == 5h + 45min);
  const TimeZone always_summer = by_rule("EST5EDT,0/0,J365/25");
  for (int month = 1; month <= 12; ++month) {
    CHECK(offset(always_summer, utc(2026, static_cast<unsigned>(month), 1, 4, 30)) == -4h);
  }
}

TEST_CASE("local times: plain, skipped, repeated") {
  const TimeZone zone = berlin();
  const auto local = [](unsigned month, unsigned day, int hour, int minute) {
    return local_days{2026y / static_cast<int>(month) / static_cast<int>(day)} + hours{hour} +
           minutes{minute};
  };
  CHECK(zone.to_sys(local(3, 29, 1, 59)) == utc(2026, 3, 29, 0, 59));
  CHECK(zone.to_sys(local(3, 29, 2, 0)) == utc(2026, 3, 29, 1, 0));
  CHECK(zone.to_sys(local(3, 29, 2, 59)) == utc(2026, 3, 29, 1, 0));
  CHECK(zone.to_sys(local(3, 29, 3, 0)) == utc(2026, 3, 29, 1, 0));
  CHECK(zone.to_sys(local(10, 25, 2, 0)) == utc(2026, 10, 25, 0, 0));
  CHECK(zone.to_sys(local(10, 25, 2, 59)) == utc(2026, 10, 25, 0, 59));
  CHECK(zone.to_sys(local(10, 25, 3, 0)) == utc(2026, 10, 25, 2, 0));
  CHECK(zone.to_local(utc(2026, 10, 25, 1, 30)) == local(10, 25, 2, 30));
}

TEST_CASE("instants as text") {
  CHECK(TimeZone().text(utc(2026, 3, 9, 4, 5)) == "2026-03-09 04:05:00 +00:00");
  CHECK(berlin().text(utc(2026, 3, 29, 1, 0)) == "2026-03-29 03:00:00 +02:00");
  CHECK(by_rule("NST3:30").text(utc(2026, 1, 1, 0, 0)) == "2025-12-31 20:30:00 -03:30");
}

TEST_CASE("broken files are refused by name") {
  CHECK(refusal("") == "time zone Test/Broken: the file cannot be used: it ends too early");
  CHECK(refusal("#!/bin/sh\n").find("no TZif file") != std::string::npos);
  const std::string whole = tzif({0, 3600}, {{1000, 1}}, "CET-1CEST,M3.5.0,M10.5.0/3");
  CHECK(refusal(whole) == "accepted");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(refusal(whole.substr(0, size)) != "accepted");
  }
  CHECK(refusal(tzif({0}, {{1000, 1}}, "")).find("does not exist") != std::string::npos);
  CHECK(refusal(tzif({0}, {{1000, 0}, {1000, 0}}, "")).find("out of order") != std::string::npos);
  CHECK(refusal(tzif({100 * 3600}, {}, "")).find("impossible") != std::string::npos);
  for (const char* const footer :
       {"CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M1.1.0",
        "CET-1CEST,M0.5.0,M1.1.0", "CET-1CEST,M3.0.0,M1.1.0", "<CET-1",
        "CET-1CEST,M3.5.0,M10.5.0/3x", "CET-400", "1", ",", "CET-"}) {
    CAPTURE(footer);
    CHECK(refusal(tzif({0}, {}, footer)).find("no TZ text") != std::string::npos);
  }
}

TEST_CASE("any bytes are read or refused") {
  const std::string whole = tzif({0, 3600}, {{1000, 1}, {9000, 0}}, "CET-1CEST,M3.5.0,M10.5.0/3");
  std::mt19937 random(4711);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 3; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    try {
      const TimeZone zone = TimeZone::parse("Test/Random", bytes);
      (void)zone.to_sys(local_days{2026y / 3 / 29} + 150min);
    } catch (const Error&) {
    }
  }
}

TEST_CASE("the machine's zones agree with the C library") {
  for (const char* const name :
       {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo",
        "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Apia", "Europe/Dublin", "America/Nuuk"}) {
    std::optional<TimeZone> zone;
    try {
      zone = TimeZone::parse(name, read_zone_file(name));
    } catch (const Error& error) {
      MESSAGE("left out: " << error.what());
      continue;
    }
    const char* const before = std::getenv("TZ");
    const std::string kept = before != nullptr ? before : "";
    ::setenv("TZ", name, 1);
    ::tzset();
    for (auto at = utc(1990, 1, 1, 0, 0); at < utc(2060, 1, 1, 0, 0); at += 7h + 13min) {
      const std::time_t time = at.time_since_epoch().count();
      std::tm local{};
      ::localtime_r(&time, &local);
      const seconds found = zone->info_at(at).offset;
      if (found != seconds{local.tm_gmtoff}) {
        CAPTURE(name);
        CAPTURE(time);
        CHECK(found.count() == local.tm_gmtoff);
        break;
      }
    }
    before != nullptr ? ::setenv("TZ", kept.c_str(), 1) : ::unsetenv("TZ");
    ::tzset();
  }
}

TEST_CASE("zone files: names that lead elsewhere and names that do not exist are refused") {
  for (const char* const name :
       {"", "../../etc/passwd", "/etc/localtime", "Europe/", "No/Such", "Europe"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(read_zone_file(name), Error);
  }
}
