// increment_var: a number of its own for every instance.
#include "daemon/policy/increment_var.h"

#include <doctest/doctest.h>

using namespace pmx;

namespace {

AppSpec with_port(const std::string& value) {
  AppSpec spec;
  spec.increment_var = "PORT";
  spec.env["PORT"] = value;
  return spec;
}

}  // namespace

TEST_CASE("each instance gets the app's number plus its own") {
  CHECK(incremented(with_port("4000"), 0) == "4000");
  CHECK(incremented(with_port("4000"), 3) == "4003");
  CHECK(incremented(with_port("-2"), 3) == "1");
  CHECK(increment_var_problem(with_port("4000")).empty());
  CHECK(increment_var_problem(AppSpec{}).empty());
}

TEST_CASE("what is no whole number is refused, with its text") {
  for (const char* value : {"", "x", "4000x", "40.5", " 1", "99999999999999999999"}) {
    CHECK_FALSE(incremented(with_port(value), 1));
    CHECK(increment_var_problem(with_port(value)) ==
          "increment_var is PORT, but \"" + std::string(value) + "\" is not a whole number");
  }
}

TEST_CASE("a variable that is absent is refused") {
  AppSpec spec;
  spec.increment_var = "PORT";
  CHECK_FALSE(incremented(spec, 0));
  CHECK(increment_var_problem(spec) ==
        "increment_var is PORT, but its environment has no PORT; give it a number");
}
