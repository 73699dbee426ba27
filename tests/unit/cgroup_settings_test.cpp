// cgroup_settings: what people write, as the kernel wants it.
#include "common/sys/cgroup_settings.h"

#include <doctest/doctest.h>

#include <string>

#include "common/base/error.h"

using namespace pmx;
using sys::cgroup_settings;
using Settings = std::vector<sys::CgroupSetting>;

TEST_CASE("nothing wished, nothing set") { CHECK(cgroup_settings({}).empty()); }

TEST_CASE("each key") {
  ProcessLimits limits;
  limits.cpu_max = "150%";
  limits.memory_high = 400;
  limits.memory_max = 500;
  limits.pids_max = 50;
  limits.io_weight = 200;
  CHECK(cgroup_settings(limits) == Settings{{"cpu.max", "150000 100000"},
                                            {"memory.high", "400"},
                                            {"memory.max", "500"},
                                            {"pids.max", "50"},
                                            {"io.weight", "200"}});
}

TEST_CASE("a share of the processor: per cent of one core, or cores") {
  const auto cpu = [](const char* text) {
    ProcessLimits limits;
    limits.cpu_max = text;
    return cgroup_settings(limits).front().value;
  };
  CHECK(cpu("1.5") == "150000 100000");
  CHECK(cpu("1%") == "1000 100000");
  CHECK(cpu("0.5") == "50000 100000");
  for (const char* const wrong :
       {"%", "50 %", "-1", "0", "0.5%", "nan", "inf", "1e9", "half", "2x"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(cpu(wrong), Error);
  }
}

TEST_CASE("out of range") {
  ProcessLimits limits;
  limits.pids_max = 0;
  CHECK_THROWS_AS(cgroup_settings(limits), Error);
  limits.pids_max.reset();
  limits.io_weight = 10'001;
  CHECK_THROWS_AS(cgroup_settings(limits), Error);
}
