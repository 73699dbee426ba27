// ReloadPlan: order, parallelism, failure and cancellation of a rolling reload.
#include "daemon/policy/reload_plan.h"

#include <doctest/doctest.h>

using namespace pmx;
using A = ReloadActions;

namespace {

ReloadSettings surge(int count) { return {.max_surge = count}; }
ReloadSettings rolling_back(int count = 1) {
  return {.max_surge = count, .rollback = ReloadSettings::Rollback::on};
}

}  // namespace

TEST_CASE("how many at a time") {
  CHECK(default_reload_surge(0) == 1);
  CHECK(default_reload_surge(1) == 1);
  CHECK(default_reload_surge(2) == 1);
  CHECK(default_reload_surge(3) == 2);
  CHECK(default_reload_surge(100) == 2);
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

TEST_CASE("how many can be chosen") {
  ReloadPlan plan({0, 1, 2}, surge(5));
  CHECK(plan.begin() == A{StartCandidate{0}, StartCandidate{1}, StartCandidate{2}});
  ReloadPlan one({0, 1, 2}, surge(1));
  CHECK(one.begin() == A{StartCandidate{0}});
}

TEST_CASE("a candidate is held for min_ready before the old one goes") {
  ReloadPlan plan({4, 5}, {.min_ready = Millis{500}});
  CHECK(plan.begin() == A{StartCandidate{4}});
  CHECK(plan.held(4) == A{});  // not ready yet
  CHECK(plan.candidate_ready(4) == A{HoldCandidate{4}});
  CHECK(plan.candidate_ready(4) == A{});
  CHECK(plan.old_gone(4) == A{});
  SUBCASE("it stays") {
    CHECK(plan.held(4) == A{RetireOld{4}});
    CHECK(plan.held(4) == A{});
    CHECK(plan.old_gone(4) == A{StartCandidate{5}});
  }
  SUBCASE("it ends: the old one has heard nothing") {
    CHECK(plan.candidate_failed(4, "it ended") ==
          A{RemoveCandidate{4},
            ReloadFinished{false,
                           "the new process of id 4 failed: it ended; 0 of 2 instances replaced, "
                           "the others run as before"}});
    CHECK(plan.held(4) == A{});
  }
}

TEST_CASE("max_unavailable: old ones go before their successors are started") {
  SUBCASE("alone: all go in place") {
    ReloadPlan plan({0, 1, 2}, {.max_unavailable = 1, .min_ready = Millis{1}});
    CHECK(plan.begin() == A{ReplaceInPlace{0}});
    CHECK(plan.candidate_ready(0) == A{HoldCandidate{0}});
    CHECK(plan.held(0) == A{RetireOld{0}});
    CHECK(plan.old_gone(0) == A{ReplaceInPlace{1}});
  }
  SUBCASE("with max_surge: so many in addition") {
    ReloadPlan plan({0, 1, 2}, {.max_surge = 1, .max_unavailable = 1});
    CHECK(plan.begin() == A{StartCandidate{0}, ReplaceInPlace{1}});
    CHECK(plan.candidate_ready(1) == A{RetireOld{1}});
    CHECK(plan.old_gone(1) == A{ReplaceInPlace{2}});
  }
  SUBCASE("a failure there leaves an instance without a ready process, and says so") {
    ReloadPlan plan({0, 1}, {.max_unavailable = 1});
    plan.begin();
    CHECK(plan.candidate_failed(0, "exit code 1") ==
          A{RemoveCandidate{0},
            ReloadFinished{false,
                           "the new process of id 0 failed: exit code 1; 0 of 2 instances "
                           "replaced, the others run as before; 1 without a ready process "
                           "(max_unavailable), started again as if it had crashed"}});
  }
  SUBCASE("with rollback it goes back") {
    ReloadPlan plan({0, 1}, {.max_unavailable = 1, .rollback = ReloadSettings::Rollback::on});
    plan.begin();
    CHECK(plan.candidate_failed(0, "exit code 1") ==
          A{RemoveCandidate{0}, ReplaceInPlace{0, true}});
    CHECK(plan.candidate_ready(0) == A{RetireOld{0}});
    CHECK(plan.old_gone(0) ==
          A{ReloadFinished{false,
                           "the new process of id 0 failed: exit code 1; 1 of 2 instances had been "
                           "replaced and are back on the previous settings, the others run as "
                           "before"}});
  }
}

TEST_CASE("a failure stops the plan and keeps the old ones") {
  ReloadPlan plan({0, 1, 2});
  plan.begin();
  SUBCASE("with another candidate not ready yet: removed too") {
    CHECK(plan.candidate_failed(0, "exit code 1 after 0.2 s") ==
          A{RemoveCandidate{0}, RemoveCandidate{1},
            ReloadFinished{false,
                           "the new process of id 0 failed: exit code 1 after 0.2 s; 0 of 3 "
                           "instances replaced, the others run as before"}});
    CHECK(plan.candidate_ready(1) == A{});
    CHECK(plan.candidate_failed(1, "late") == A{});
  }
  SUBCASE("with a retirement under way: it is finished first") {
    plan.candidate_ready(1);
    CHECK(plan.candidate_failed(0, "not ready") == A{RemoveCandidate{0}});
    CHECK_FALSE(plan.finished());
    CHECK(plan.old_gone(1) ==
          A{ReloadFinished{false,
                           "the new process of id 0 failed: not ready; 1 of 3 instances replaced, "
                           "the others run as before; those replaced stay: their settings have "
                           "not changed, and the files of the previous version are not pmx's to "
                           "bring back"}});
    CHECK(plan.replaced() == 1);
  }
  SUBCASE("which could not be promoted any more: its old one stays") {
    plan.candidate_ready(1);
    CHECK(plan.candidate_failed(1, "it ended") ==
          A{RemoveCandidate{0}, RemoveCandidate{1},
            ReloadFinished{false,
                           "the new process of id 1 failed: it ended; 0 of 3 instances replaced, "
                           "the others run as before"}});
    CHECK(plan.old_gone(1) == A{});
  }
  CHECK(plan.finished());
  CHECK(plan.begin() == A{});
}

TEST_CASE("after a failure what was replaced goes back to the previous settings") {
  ReloadPlan plan({0, 1, 2, 3}, rolling_back());
  plan.begin();
  for (const int id : {0, 1}) {
    plan.candidate_ready(id);
    CHECK(plan.old_gone(id) == A{StartCandidate{id + 1}});
  }
  CHECK(plan.replaced() == 2);
  CHECK(plan.candidate_failed(2, "exit code 1") == A{RemoveCandidate{2}, StartCandidate{0, true}});
  CHECK(plan.candidate_ready(0) == A{RetireOld{0}});
  SUBCASE("all of it") {
    CHECK(plan.old_gone(0) == A{StartCandidate{1, true}});
    CHECK(plan.candidate_ready(1) == A{RetireOld{1}});
    CHECK(plan.old_gone(1) ==
          A{ReloadFinished{false,
                           "the new process of id 2 failed: exit code 1; 2 of 4 instances had been "
                           "replaced and are back on the previous settings, the others run as "
                           "before"}});
  }
  SUBCASE("until that fails too: what runs is left") {
    CHECK(plan.old_gone(0) == A{StartCandidate{1, true}});
    CHECK(plan.candidate_failed(1, "exit code 2") ==
          A{RemoveCandidate{1},
            ReloadFinished{false,
                           "the new process of id 2 failed: exit code 1; going back to the "
                           "previous settings failed too, for 1 of the 2 instances that had been "
                           "replaced: the new process of id 1 failed: exit code 2; what runs is "
                           "left as it is"}});
  }
  SUBCASE("until it is cancelled") {
    CHECK(plan.cancelled("stop") == A{});
    const ReloadActions last = plan.old_gone(0);
    REQUIRE(last.size() == 1);
    CHECK(std::get<ReloadFinished>(last.front()).reason.find("cancelled: stop") !=
          std::string::npos);
  }
  CHECK(plan.finished());
  CHECK(plan.replaced() == 0);
}

TEST_CASE("going back begins when the retirements under way are over") {
  ReloadPlan plan({0, 1, 2}, rolling_back(2));
  plan.begin();
  plan.candidate_ready(0);
  CHECK(plan.candidate_failed(1, "exit code 1") == A{RemoveCandidate{1}});
  SUBCASE("") { CHECK(plan.old_gone(0) == A{StartCandidate{0, true}}); }
  SUBCASE("but not if the app is stopped meanwhile") {
    CHECK(plan.cancelled("stop") == A{});
    CHECK(plan.old_gone(0) ==
          A{ReloadFinished{false,
                           "the new process of id 1 failed: exit code 1; 1 of 3 instances "
                           "replaced, the others run as before"}});
  }
}

TEST_CASE("nothing goes back") {
  SUBCASE("when nothing was replaced") {
    ReloadPlan plan({0, 1}, rolling_back());
    plan.begin();
    CHECK(plan.candidate_failed(0, "x").size() == 2);
    CHECK(plan.finished());
  }
  SUBCASE("when that is off") {
    ReloadPlan plan({0, 1}, {.rollback = ReloadSettings::Rollback::off});
    plan.begin();
    plan.candidate_ready(0);
    plan.old_gone(0);
    CHECK(plan.candidate_failed(1, "x") ==
          A{RemoveCandidate{1},
            ReloadFinished{false,
                           "the new process of id 1 failed: x; 1 of 2 instances replaced, the "
                           "others run as before; those replaced stay: rollback is off"}});
  }
  SUBCASE("after a cancellation") {
    ReloadPlan plan({0, 1}, rolling_back());
    plan.begin();
    plan.candidate_ready(0);
    plan.old_gone(0);
    CHECK(plan.cancelled("stop") ==
          A{RemoveCandidate{1},
            ReloadFinished{false,
                           "cancelled: stop; 1 of 2 instances replaced, the others run as "
                           "before"}});
  }
}

TEST_CASE("cancelling") {
  ReloadPlan plan({0, 1, 2});
  SUBCASE("before it begins") {
    CHECK(plan.cancelled("shutdown") ==
          A{ReloadFinished{
              false, "cancelled: shutdown; 0 of 3 instances replaced, the others run as before"}});
    CHECK(plan.begin() == A{});
  }
  SUBCASE("under way") {
    plan.begin();
    plan.candidate_ready(0);
    CHECK(plan.cancelled("by the operator") == A{RemoveCandidate{1}});
    CHECK(plan.old_gone(0) == A{ReloadFinished{false,
                                               "cancelled: by the operator; 1 of 3 instances "
                                               "replaced, the others run as before"}});
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
  CHECK(plan.candidate_failed(2, "not started") == A{});
  CHECK(plan.held(2) == A{});
  CHECK(plan.held(9) == A{});
  plan.candidate_ready(0);
  CHECK(plan.candidate_ready(0) == A{});
  plan.old_gone(0);
  CHECK(plan.candidate_failed(0, "after it was replaced") == A{});
  CHECK(plan.candidate_ready(0) == A{});
  CHECK(plan.held(0) == A{});
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
