// ReloadPlan: order, parallelism, failure and cancellation of a rolling reload.
#include "daemon/policy/reload_plan.h"

#include <doctest/doctest.h>

using namespace pmx;
using A = ReloadActions;

TEST_CASE("how many at a time") {
  CHECK(default_reload_parallel(0) == 1);
  CHECK(default_reload_parallel(1) == 1);
  CHECK(default_reload_parallel(2) == 1);
  CHECK(default_reload_parallel(3) == 2);
  CHECK(default_reload_parallel(100) == 2);
}

TEST_CASE("two instances go strictly one after another") {
  ReloadPlan plan({4, 5});
  CHECK(plan.begin() == A{StartCandidate{4}});
  CHECK(plan.candidate_ready(4) == A{RetireOld{4}});
  CHECK(plan.old_gone(4) == A{StartCandidate{5}});
  CHECK(plan.candidate_ready(5) == A{RetireOld{5}});
  CHECK_FALSE(plan.finished());
  CHECK(plan.old_gone(5) == A{ReloadFinished{true, "2 of 2 instances replaced"}});
  CHECK(plan.finished());
  CHECK(plan.replaced() == 2);
}

TEST_CASE("more go two at a time, the next as soon as a place is free") {
  ReloadPlan plan({0, 1, 2, 3});
  CHECK(plan.begin() == A{StartCandidate{0}, StartCandidate{1}});
  CHECK(plan.candidate_ready(1) == A{RetireOld{1}});
  CHECK(plan.old_gone(1) == A{StartCandidate{2}});
  CHECK(plan.candidate_ready(0) == A{RetireOld{0}});
  CHECK(plan.candidate_ready(2) == A{RetireOld{2}});
  CHECK(plan.old_gone(2) == A{StartCandidate{3}});
  CHECK(plan.old_gone(0) == A{});
  CHECK(plan.candidate_ready(3) == A{RetireOld{3}});
  CHECK(plan.old_gone(3) == A{ReloadFinished{true, "4 of 4 instances replaced"}});
}

TEST_CASE("parallel can be chosen") {
  ReloadPlan plan({0, 1, 2}, 5);
  CHECK(plan.begin() == A{StartCandidate{0}, StartCandidate{1}, StartCandidate{2}});
  ReloadPlan one({0, 1, 2}, 1);
  CHECK(one.begin() == A{StartCandidate{0}});
}

TEST_CASE("a failure stops the plan and keeps the old ones") {
  ReloadPlan plan({0, 1, 2});
  plan.begin();
  SUBCASE("with another candidate not ready yet: removed too") {
    CHECK(plan.candidate_failed(0, "exit code 1 after 0.2 s") ==
          A{RemoveCandidate{0}, RemoveCandidate{1},
            ReloadFinished{false,
                           "the new instance 0 failed: exit code 1 after 0.2 s; 0 of 3 instances "
                           "replaced, the others keep "
                           "running as before"}});
    CHECK(plan.candidate_ready(1) == A{});
    CHECK(plan.candidate_failed(1, "late") == A{});
  }
  SUBCASE("with a retirement under way: it is finished first") {
    plan.candidate_ready(1);
    CHECK(plan.candidate_failed(0, "not ready") == A{RemoveCandidate{0}});
    CHECK_FALSE(plan.finished());
    CHECK(plan.cancelled("too late") == A{});
    CHECK(plan.old_gone(1) == A{ReloadFinished{false,
                                               "the new instance 0 failed: not ready; 1 of 3 "
                                               "instances replaced, the others keep running as "
                                               "before"}});
  }
  CHECK(plan.finished());
  CHECK(plan.begin() == A{});
}

TEST_CASE("cancelling") {
  ReloadPlan plan({0, 1, 2});
  SUBCASE("before it begins") {
    CHECK(
        plan.cancelled("shutdown") ==
        A{ReloadFinished{
            false,
            "cancelled: shutdown; 0 of 3 instances replaced, the others keep running as before"}});
    CHECK(plan.begin() == A{});
  }
  SUBCASE("under way") {
    plan.begin();
    plan.candidate_ready(0);
    CHECK(plan.cancelled("by the operator") == A{RemoveCandidate{1}});
    CHECK(plan.old_gone(0) == A{ReloadFinished{false,
                                               "cancelled: by the operator; 1 of 3 instances "
                                               "replaced, the others keep running as before"}});
  }
  CHECK(plan.cancelled("again") == A{});
}

TEST_CASE("events that do not fit are answered with nothing") {
  ReloadPlan plan({0, 1, 2});
  plan.begin();
  CHECK(plan.old_gone(0) == A{});         // died by itself while its candidate starts
  CHECK(plan.candidate_ready(2) == A{});  // not started
  CHECK(plan.candidate_ready(9) == A{});
  CHECK(plan.candidate_failed(9, "x") == A{});
  plan.candidate_ready(0);
  CHECK(plan.candidate_ready(0) == A{});
  CHECK(plan.candidate_failed(0, "after it was ready") == A{});
  plan.old_gone(0);
  CHECK(plan.old_gone(0) == A{});
  CHECK(plan.replaced() == 1);
}

TEST_CASE("nothing to do, and duplicates") {
  ReloadPlan none({});
  CHECK(none.begin() == A{ReloadFinished{true, "0 of 0 instances replaced"}});
  ReloadPlan twice({3, 3});
  CHECK(twice.begin() == A{StartCandidate{3}});
  twice.candidate_ready(3);
  CHECK(twice.old_gone(3) == A{ReloadFinished{true, "1 of 1 instances replaced"}});
}
