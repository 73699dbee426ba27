// RollingReload: performs the ReloadPlan of one app on instances that can overlap (new beside old).
//
// While it exists it is the one reload of its app: it enters itself with the supervisor and hears
// of its instances from there.
//
// The app's settings change only at its end, when every instance runs the new ones. Until then, and
// after a failure, whatever else starts a process of the app (a crash, a restart, the next daemon)
// starts it with the previous ones. So a daemon that is killed in between leaves instances that are
// either old or new, and needs to remember nothing.
#pragma once

#include <cstdint>
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
  // `pm_ids`: of one app, not empty.
  RollingReload(Supervisor& supervisor, const std::vector<int>& pm_ids,
                const Supervisor::ReloadOptions& options, Supervisor::Progress progress);
  ~RollingReload();
  RollingReload(const RollingReload&) = delete;
  RollingReload& operator=(const RollingReload&) = delete;

  [[nodiscard]] std::uint64_t app_id() const noexcept { return app_id_; }
  [[nodiscard]] const std::string& app_name() const noexcept { return app_name_; }
  // For people; empty: it was asked for.
  [[nodiscard]] const std::string& why() const noexcept { return options_.why; }

  // Returns what was done, in words. Throws Error(not_ready) when the plan has failed, with the last
  // lines that the new process wrote to its error log.
  awaitable<std::string> run();

  // What instances report, in any order and at any time.
  void ready(int pm_id) { push({Report::Kind::ready, pm_id, {}}); }
  void failed(int pm_id, const std::string& why) { push({Report::Kind::failed, pm_id, why}); }
  void gone(int pm_id) { push({Report::Kind::gone, pm_id, {}}); }
  void cancel(const std::string& why) { push({Report::Kind::cancelled, 0, why}); }

 private:
  struct Report {
    enum class Kind { ready, failed, held, gone, cancelled };
    Kind kind = Kind::ready;
    int pm_id = 0;
    std::string why;
  };
  struct Target {
    std::shared_ptr<const AppSpec> previous;
    std::shared_ptr<const AppSpec> changed;  // the same object if nothing changes
    std::uint64_t log_end = 0;               // of the error log, before the candidate was started
    bool in_place = false;
    std::unique_ptr<asio::steady_timer> hold;
  };

  void push(Report report);
  ReloadActions tell_plan(const Report& report);
  void perform(const ReloadAction& action);
  void start(int pm_id, bool previous, bool in_place);
  void hold(int pm_id);
  void say(int pm_id, const std::string& text);
  // Reads the last lines of the instance's error log, written since its candidate was started.
  awaitable<void> read_last_words(int pm_id);
  void record();
  [[noreturn]] void fail() const;

  Supervisor& supervisor_;
  std::uint64_t app_id_;
  std::string app_name_;
  Supervisor::ReloadOptions options_;
  Supervisor::Progress progress_;
  Millis min_ready_;
  std::map<int, Target> targets_;
  ReloadPlan plan_;
  Condition reported_;
  std::deque<Report> reports_;
  std::optional<ReloadFinished> finished_;
  bool has_failed_ = false;  // a process did; else it was cancelled
  std::string last_words_;   // indented lines
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmx
