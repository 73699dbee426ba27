// ReloadPlan: the order of a rolling reload. Pure: the caller performs the actions and reports what
// became of them.
//
// Each instance goes: candidate started beside the old incarnation -> ready -> the candidate takes
// its place and the old one retires
// -> old one gone -> the next instance's turn. At most `parallel` instances are between the first
// and the last of these, so capacity never falls below what it was. The first failure, or a
// cancellation, ends the plan: no further candidate is started, candidates that are not ready yet
// are removed, retirements that have begun are finished, all other old incarnations stay.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace pmx {

struct StartCandidate {
  int pm_id = 0;
  friend bool operator==(const StartCandidate&, const StartCandidate&) = default;
};
// The candidate becomes the instance's incarnation; the old one drains and stops. Always answered
// with old_gone.
struct RetireOld {
  int pm_id = 0;
  friend bool operator==(const RetireOld&, const RetireOld&) = default;
};
// Ends the candidate if it exists. Needs no answer.
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
using ReloadAction = std::variant<StartCandidate, RetireOld, RemoveCandidate, ReloadFinished>;
using ReloadActions = std::vector<ReloadAction>;

// 2 at a time; one after another for one or two targets, as pm2.
int default_reload_parallel(std::size_t targets) noexcept;

class ReloadPlan {
 public:
  // In the order of `pm_ids`; duplicates count once. `parallel` < 1 means default_reload_parallel.
  explicit ReloadPlan(const std::vector<int>& pm_ids, int parallel = 0);

  // The first candidates. Nothing happens before.
  ReloadActions begin();
  // Events that do not fit the instance's present stage (late, or unknown ids) are answered with no
  // action.
  ReloadActions candidate_ready(int pm_id);
  ReloadActions candidate_failed(int pm_id, const std::string& reason);
  ReloadActions old_gone(int pm_id);
  ReloadActions cancelled(const std::string& reason);

  [[nodiscard]] bool finished() const noexcept { return finished_; }
  [[nodiscard]] int replaced() const noexcept { return replaced_; }

 private:
  enum class Stage { waiting, starting, retiring, replaced, kept };

  [[nodiscard]] bool is_in(int pm_id, Stage stage) const;
  // Ends the plan as failed.
  ReloadActions abandon(const std::string& reason);
  // Starts what may start now, or finishes.
  void advance(ReloadActions& actions);

  std::vector<int> order_;
  std::map<int, Stage> stages_;
  int parallel_;
  int replaced_ = 0;
  bool finished_ = false;
  std::string failure_;  // why the plan was abandoned; empty = it was not
};

}  // namespace pmx
