#include "daemon/policy/health_record.h"

#include <doctest/doctest.h>

namespace pmx {

TEST_CASE("bad answers in a row make it unhealthy") {
  HealthRecord record(3);
  CHECK(record.health() == Health::unknown);
  CHECK_FALSE(record.heard(""));
  CHECK(record.health() == Health::healthy);
  CHECK_FALSE(record.heard("status 500"));
  CHECK(record.health() == Health::degraded);
  CHECK(record.text() == "1 of 3 checks failed: status 500");
  CHECK_FALSE(record.heard("status 500"));
  CHECK(record.heard("status 503"));
  CHECK(record.health() == Health::unhealthy);
  CHECK(record.text() == "3 checks in a row failed: status 503");

  SUBCASE("said again when it stays so") {
    CHECK_FALSE(record.heard("status 503"));
    CHECK(record.health() == Health::unhealthy);
    CHECK_FALSE(record.heard("status 503"));
    CHECK(record.heard("status 503"));
  }
  SUBCASE("one good answer is enough") {
    CHECK_FALSE(record.heard(""));
    CHECK(record.health() == Health::healthy);
    CHECK(record.text().empty());
    CHECK_FALSE(record.heard("status 500"));
    CHECK(record.health() == Health::degraded);
  }
}

TEST_CASE("the first bad answer may be one too many") {
  HealthRecord record(0);  // as 1
  CHECK(record.heard("connection refused"));
  CHECK(record.health() == Health::unhealthy);
  CHECK(record.text() == "a check failed: connection refused");
}

}  // namespace pmx
