// ReloadPlan: the order of a rolling reload of one app's instances. Pure: the caller performs the
// actions and reports what became of them.
//
// An instance goes one of two ways, and as many at a time as ReloadSettings say:
//
//   beside    candidate started beside the old process -> ready -> held (min_ready) -> it takes the
//             place, the old one retires -> old one gone
//   in place  the old process retires, the new one is started after it -> ready -> held
//
// Beside, capacity never falls below what it was. The first failure, or a cancellation, ends the
// plan: nothing further is started, candidates that are not ready or still held are removed,
// retirements that have begun are finished, all other old processes stay. After a failure what had
// been replaced goes back to the previous settings in a second pass with the same rules
// (Rollback::on). A second failure ends that too and leaves what runs.
//
// What each event does to an instance ("-" = no action):
//
//                   waiting  starting  holding   retiring    replaced, kept, lost
// candidate_ready   -        hold (1)  -         -           -
// candidate_failed  -        abandon   abandon   abandon (2) -
// held              -        -         retire    -           -
// old_gone          -        -         -         replaced    -
// cancelled         abandon, whatever the stages
//
// (1) retire at once if min_ready is 0
// (2) there was no candidate left to promote
//
// abandon: beside and starting, holding -> removed, kept; in place and starting, holding -> lost
// (its old process is gone); waiting -> kept; retiring goes on, unless it is the one that failed.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "common/model/app_spec.h"

namespace pmx {

struct StartCandidate {  // beside the old one; answered by candidate_ready or candidate_failed
  int pm_id = 0;
  bool previous = false;  // of the settings to go back to
  friend bool operator==(const StartCandidate&, const StartCandidate&) = default;
};
// The old one retires first, then the new one is started; answered as StartCandidate.
struct ReplaceInPlace {
  int pm_id = 0;
  bool previous = false;
  friend bool operator==(const ReplaceInPlace&, const ReplaceInPlace&) = default;
};
// Answered by held after min_ready, unless the candidate fails before.
struct HoldCandidate {
  int pm_id = 0;
  friend bool operator==(const HoldCandidate&, const HoldCandidate&) = default;
};
// The candidate becomes the instance's incarnation; the old one, if it is still there, drains and
// stops. Answered by old_gone, or by candidate_failed if the candidate has just ended.
struct RetireOld {
  int pm_id = 0;
  friend bool operator==(const RetireOld&, const RetireOld&) = default;
};
// Ends the candidate if it exists; one that was started in place is only watched no longer. Needs
// no answer.
struct RemoveCandidate {
  int pm_id = 0;
  friend bool operator==(const RemoveCandidate&, const RemoveCandidate&) = default;
};
// Given exactly once, as the last action.
struct ReloadFinished {
  bool ok = false;
  std::string reason;
  friend bool operator==(const ReloadFinished&, const ReloadFinished&) = default;
};
using ReloadAction = std::variant<StartCandidate, ReplaceInPlace, HoldCandidate, RetireOld,
                                  RemoveCandidate, ReloadFinished>;
using ReloadActions = std::vector<ReloadAction>;

struct ReloadSettings {
  enum class Rollback {
    on,
    off,        // by the user's choice
    pointless,  // old and new settings are the same: only the files of the app can have changed
  };
  // Instances that go beside at a time; < 1: default_reload_surge, or none if max_unavailable says
  // that they go in place.
  int max_surge = 0;
  int max_unavailable = 0;  // instances that go in place at a time, in addition
  Millis min_ready{0};
  Rollback rollback = Rollback::pointless;
};

// 2 at a time; one after another for one or two targets, as pm2.
int default_reload_surge(std::size_t targets) noexcept;

class ReloadPlan {
 public:
  // In the order of `pm_ids`; duplicates count once.
  explicit ReloadPlan(const std::vector<int>& pm_ids, ReloadSettings settings = {});

  // The first candidates. Nothing happens before.
  ReloadActions begin();
  // Events that do not fit the instance's present stage (late, or unknown ids) are answered with no
  // action. A failure that counts is answered with at least one.
  ReloadActions candidate_ready(int pm_id);
  ReloadActions candidate_failed(int pm_id, const std::string& reason);
  ReloadActions held(int pm_id);
  ReloadActions old_gone(int pm_id);
  ReloadActions cancelled(const std::string& reason);

  [[nodiscard]] bool finished() const noexcept { return finished_; }
  // Instances that run the new settings with a ready process.
  [[nodiscard]] int replaced() const noexcept;

 private:
  enum class Stage { waiting, starting, holding, retiring, replaced, kept, lost };
  struct Target {
    Stage stage = Stage::waiting;
    bool in_place = false;
  };

  // The target if it is in this stage.
  Target* in_stage(int pm_id, Stage stage);
  [[nodiscard]] int count(Stage stage) const noexcept;
  [[nodiscard]] bool active() const noexcept;
  ReloadActions abandon(const std::string& reason);
  // Starts what may start now, goes back, or finishes.
  void advance(ReloadActions& actions);
  void start_next(ReloadActions& actions);
  bool turn_back();
  [[nodiscard]] ReloadFinished result() const;

  std::vector<int> order_;
  std::map<int, Target> targets_;
  ReloadSettings settings_;
  bool finished_ = false;
  bool cancelled_ = false;
  bool going_back_ = false;
  int had_replaced_ = 0;          // when it turned back, lost ones included
  std::string failure_;           // why the plan was abandoned; empty = it was not
  std::string rollback_failure_;  // why going back was abandoned
};

}  // namespace pmx
