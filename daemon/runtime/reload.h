// RollingReload: performs a ReloadPlan on instances that can overlap (new beside old).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/policy/reload_plan.h"
#include "daemon/runtime/supervisor.h"

namespace pmx {

class RollingReload {
 public:
  RollingReload(Supervisor& supervisor, const std::vector<int>& pm_ids,
                const std::optional<Env>& env, Supervisor::Progress progress);
  ~RollingReload();
  RollingReload(const RollingReload&) = delete;
  RollingReload& operator=(const RollingReload&) = delete;

  // Throws Error(not_ready) when the plan has failed; what was not replaced runs on.
  awaitable<void> run();

  // What instances report, in any order and at any time.
  void ready(int pm_id) { push({Report::Kind::ready, pm_id, {}}); }
  void failed(int pm_id, const std::string& why) { push({Report::Kind::failed, pm_id, why}); }
  void gone(int pm_id) { push({Report::Kind::gone, pm_id, {}}); }
  // Ends the reload if it is about one of these instances.
  void cancel(const std::vector<int>& pm_ids, const std::string& why);

 private:
  struct Report {
    enum class Kind { ready, failed, gone, cancelled };
    Kind kind = Kind::ready;
    int pm_id = 0;
    std::string why;
  };

  void push(Report report);
  void perform(const ReloadAction& action);
  void say(int pm_id, const std::string& text);
  std::shared_ptr<const AppSpec> new_spec(int pm_id);

  Supervisor& supervisor_;
  std::vector<int> pm_ids_;
  ReloadPlan plan_;
  std::optional<Env> env_;
  Supervisor::Progress progress_;
  Condition reported_;
  std::deque<Report> reports_;
  std::map<std::uint64_t, std::shared_ptr<const AppSpec>> specs_;
  std::optional<ReloadFinished> finished_;
};

}  // namespace pmx
