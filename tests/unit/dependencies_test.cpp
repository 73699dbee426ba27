#include "daemon/policy/dependencies.h"

#include <doctest/doctest.h>

#include "common/base/error.h"

namespace pmx {
namespace {

using Condition = Dependency::Condition;
using Verdict = StartPermit::Verdict;
using State = InstanceState;

constexpr Condition kAll[] = {Condition::started, Condition::ready, Condition::healthy,
                              Condition::completed, Condition::completed_ok};

InstanceProgress ended(State state, int code) {
  InstanceProgress one;
  one.state = state;
  one.last_exit = ExitStatus{ExitStatus::Kind::exited, code, false};
  one.ended_well = code == 0;
  one.reason = "the reason";
  return one;
}

InstanceProgress runs(State state, Health health = Health::unknown) {
  InstanceProgress one;
  one.state = state;
  one.has_process = true;
  one.health = health;
  return one;
}

// A letter for each condition: yes, wait or never.
std::string row(const InstanceProgress& one) {
  std::string letters;
  for (const Condition condition : kAll) {
    const Verdict verdict = permit({"db", condition}, {one}).verdict;
    letters += verdict == Verdict::may_start ? 'y' : verdict == Verdict::wait ? 'w' : 'n';
  }
  return letters;
}

}  // namespace

TEST_CASE("what a dependency says") {
  CHECK(parse_dependency("db") == Dependency{"db", Condition::ready});
  CHECK(parse_dependency("db:started") == Dependency{"db", Condition::started});
  CHECK(parse_dependency("a:b:completed_ok") == Dependency{"a:b", Condition::completed_ok});
  CHECK_THROWS_WITH_AS((void)parse_dependency("db:soon"),
                       "depends_on \"db:soon\": \"soon\" is no condition", Error);
  CHECK_THROWS_AS((void)parse_dependency(":ready"), Error);
  CHECK_THROWS_AS((void)parse_dependency(""), Error);
}

TEST_CASE("each condition in each state: started, ready, healthy, completed, completed_ok") {
  CHECK(row(InstanceProgress{}) == "wwwww");  // not begun yet
  CHECK(row(runs(State::launching)) == "ywwww");
  CHECK(row(runs(State::online)) == "yywww");
  CHECK(row(runs(State::online, Health::degraded)) == "yywww");
  CHECK(row(runs(State::online, Health::healthy)) == "yyyww");
  CHECK(row(runs(State::stopping)) == "ywwww");
  CHECK(row(ended(State::waiting_restart, 1)) == "wwwww");
  CHECK(row(ended(State::stopped, 0)) == "ynnyy");
  CHECK(row(ended(State::stopped, 1)) == "ynnyn");
  CHECK(row(ended(State::errored, 1)) == "nnnyn");
  InstanceProgress never_ran;
  never_ran.state = State::errored;
  CHECK(row(never_ran) == "nnnnn");
  InstanceProgress stopped_by_hand = ended(State::stopped, 1);
  stopped_by_hand.by_operator = true;
  CHECK(row(stopped_by_hand) == "yyyyy");
}

TEST_CASE("all instances count, and the words say which app") {
  CHECK(permit({"db", Condition::ready}, {runs(State::online), runs(State::launching)}).why ==
        "waiting for db to be ready");
  CHECK(permit({"migrate", Condition::completed_ok}, {ended(State::stopped, 1)}).why ==
        "it depends on migrate, which will not end well: the reason");
  CHECK(permit({"db", Condition::ready}, {}).verdict == Verdict::may_start);
}

TEST_CASE("cycles") {
  CHECK(find_cycle({}).empty());
  CHECK(find_cycle({{"a", {"b", "c"}}, {"b", {"c"}}, {"c", {}}}).empty());
  CHECK(find_cycle({{"a", {"a"}}}) == std::vector<std::string>{"a", "a"});
  CHECK(find_cycle({{"x", {"a"}}, {"a", {"b"}}, {"b", {"c"}}, {"c", {"a"}}}) ==
        std::vector<std::string>{"a", "b", "c", "a"});
}

TEST_CASE("order of starting") {
  const DependencyGraph graph{{"api", {"db", "cache"}}, {"db", {"disk"}}, {"web", {"api"}}};
  CHECK(start_order(graph, {"web", "api", "cache", "db"}) ==
        std::vector<std::string>{"db", "cache", "api", "web"});
  CHECK(start_order(graph, {"x", "y"}) == std::vector<std::string>{"x", "y"});
}

}  // namespace pmx
