#include "daemon/runtime/reload.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/error.h"

namespace pmx {

RollingReload::RollingReload(Supervisor& supervisor, const std::vector<int>& pm_ids,
                             const std::optional<Env>& env, Supervisor::Progress progress)
    : supervisor_(supervisor),
      pm_ids_(pm_ids),
      plan_(pm_ids),
      env_(env),
      progress_(std::move(progress)),
      reported_(supervisor.ports_.io) {
  supervisor_.reload_ = this;
}

RollingReload::~RollingReload() { supervisor_.reload_ = nullptr; }

void RollingReload::push(Report report) {
  reports_.push_back(std::move(report));
  reported_.notify_all();
}

void RollingReload::cancel(const std::vector<int>& pm_ids, const std::string& why) {
  const auto concerned =
      std::find_first_of(pm_ids.begin(), pm_ids.end(), pm_ids_.begin(), pm_ids_.end());
  if (concerned != pm_ids.end()) push({Report::Kind::cancelled, *concerned, why});
}

void RollingReload::say(int pm_id, const std::string& text) {
  const Instance* instance = supervisor_.find(pm_id);
  if (instance != nullptr && progress_) progress_(pm_id, instance->spec().name, text);
}

std::shared_ptr<const AppSpec> RollingReload::new_spec(int pm_id) {
  const Supervisor::App& app = *supervisor_.app_of(pm_id);
  std::shared_ptr<const AppSpec>& spec = specs_[app.id];
  if (!spec) {
    auto changed = std::make_shared<AppSpec>(supervisor_.find(pm_id)->spec());
    if (env_) {
      for (const auto& [name, value] : *env_) changed->env[name] = value;
    }
    spec = std::move(changed);
  }
  return spec;
}

void RollingReload::perform(const ReloadAction& action) {
  struct Performer {
    RollingReload& self;
    void operator()(const StartCandidate& start) const {
      Instance* instance = self.supervisor_.find(start.pm_id);
      if (instance == nullptr) {
        self.failed(start.pm_id, "it was deleted");
        return;
      }
      self.say(start.pm_id, "starting the new process");
      const auto failure = instance->start_candidate(self.new_spec(start.pm_id));
      if (failure) self.failed(start.pm_id, *failure);
    }
    void operator()(const RetireOld& retire) const {
      Instance* instance = self.supervisor_.find(retire.pm_id);
      if (instance == nullptr) {
        self.gone(retire.pm_id);
        return;
      }
      self.say(retire.pm_id, "the new process is ready, the old one finishes");
      instance->promote_candidate();
    }
    void operator()(const RemoveCandidate& remove) const {
      if (Instance* instance = self.supervisor_.find(remove.pm_id)) instance->remove_candidate();
    }
    void operator()(const ReloadFinished& finished) const { self.finished_ = finished; }
  };
  std::visit(Performer{*this}, action);
}

awaitable<void> RollingReload::run() {
  ReloadActions actions = plan_.begin();
  for (;;) {
    for (const ReloadAction& action : actions) perform(action);
    if (finished_) break;
    while (reports_.empty()) co_await reported_.wait();
    const Report report = std::move(reports_.front());
    reports_.pop_front();
    switch (report.kind) {
      case Report::Kind::ready:
        actions = plan_.candidate_ready(report.pm_id);
        break;
      case Report::Kind::failed:
        say(report.pm_id, fmt::format("failed: {}", report.why));
        actions = plan_.candidate_failed(report.pm_id, report.why);
        break;
      case Report::Kind::gone:
        actions = plan_.old_gone(report.pm_id);
        break;
      case Report::Kind::cancelled:
        actions = plan_.cancelled(report.why);
        break;
    }
  }
  if (finished_->ok) {
    // Recorded for the apps as a whole, now that every instance runs it.
    for (const auto& [app_id, spec] : specs_) {
      const auto app = supervisor_.apps_.find(app_id);
      if (app == supervisor_.apps_.end() || !env_) continue;
      app->second.spec = spec;
      supervisor_.ports_.store.put_app({app_id, *spec});
    }
  }
  co_await supervisor_.committed();
  if (!finished_->ok) {
    throw Error(ErrorCode::not_ready, fmt::format("reload stopped: {}", finished_->reason),
                "the old processes that were not replaced run on; `pmx logs --err` shows what the "
                "new one said");
  }
}

}  // namespace pmx
