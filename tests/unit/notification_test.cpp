#include "daemon/ports/notification.h"

#include <doctest/doctest.h>

#include <string>

namespace pmx {

TEST_CASE("sd_notify messages") {
  CHECK(parse_notification("READY=1").ready);
  CHECK(parse_notification("X=y\nREADY=1\n").ready);
  CHECK_FALSE(parse_notification("READY=0").ready);
  CHECK_FALSE(parse_notification("").ready);
  CHECK(parse_notification("WATCHDOG=1").alive);
  CHECK(parse_notification("WATCHDOG=trigger").asks_for_restart);
  CHECK(parse_notification("STATUS=serving\nREADY=1").status == "serving");
  CHECK(parse_notification("STOPPING=1").status == "stopping");
  CHECK(parse_notification("STATUS=bye\nSTOPPING=1").status == "bye");
  CHECK(parse_notification("EXTEND_TIMEOUT_USEC=1500000").extend == Millis{1500});
  CHECK_FALSE(parse_notification("EXTEND_TIMEOUT_USEC=soon").extend.has_value());
  CHECK(parse_notification("EXTEND_TIMEOUT_USEC=18446744073709551615").extend ==
        Millis{24 * 60 * 60 * 1000});
}

TEST_CASE("a status is one printable line of a bounded length") {
  CHECK(parse_notification("STATUS=a\x1b[31mb\tc").status == "a [31mb c");
  const auto status = parse_notification("STATUS=" + std::string(199, 'x') + "\u00e9").status;
  REQUIRE(status.has_value());
  CHECK(status->size() == 199);
}

}  // namespace pmx
