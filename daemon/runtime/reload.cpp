#include "daemon/runtime/reload.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/error.h"

namespace pmx {
namespace {

constexpr std::size_t kLastWordsBytes = 2048;
constexpr int kLastWordsLines = 10;

std::shared_ptr<const AppSpec> changed_by(const Supervisor::ReloadOptions& options,
                                          const std::shared_ptr<const AppSpec>& spec) {
  if (options.spec) return *options.spec == *spec ? spec : options.spec;
  if (!options.env) return spec;
  auto changed = std::make_shared<AppSpec>(*spec);
  merge_shell(*changed, *options.env);
  if (*changed == *spec) return spec;
  return changed;
}

ReloadSettings settings_for(const AppSpec& spec, const Supervisor::ReloadOptions& options,
                            bool changes) {
  ReloadSettings settings;
  settings.max_surge = options.parallel > 0 ? options.parallel : spec.max_surge;
  settings.max_unavailable = spec.max_unavailable;
  settings.min_ready = spec.min_ready;
  if (!options.rollback.value_or(spec.rollback)) {
    settings.rollback = ReloadSettings::Rollback::off;
  } else if (changes) {
    settings.rollback = ReloadSettings::Rollback::on;
  }
  return settings;
}

// The last whole lines of `text`, each on a line of its own after a line break, indented.
std::string indented_end(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (text.size() >= kLastWordsBytes) text.remove_prefix(std::min(text.find('\n'), text.size()));
  std::vector<std::string_view> lines;
  while (!text.empty() && lines.size() < kLastWordsLines) {
    const std::size_t before = text.rfind('\n');
    const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
    lines.push_back(text.substr(begin));
    text = text.substr(0, begin == 0 ? 0 : before);
  }
  std::string out;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line)
    out += fmt::format("\n    {}", *line);
  return out;
}

}  // namespace

RollingReload::RollingReload(Supervisor& supervisor, const std::vector<int>& pm_ids,
                             const Supervisor::ReloadOptions& options,
                             Supervisor::Progress progress)
    : supervisor_(supervisor),
      app_id_(supervisor.app_of(pm_ids.front())->id),
      app_name_(supervisor.find(pm_ids.front())->spec().name),
      options_(options),
      progress_(std::move(progress)),
      min_ready_(supervisor.app_of(pm_ids.front())->spec->min_ready),
      plan_({}),
      reported_(supervisor.ports_.io) {
  bool changes = false;
  for (const int id : pm_ids) {
    Target& target = targets_[id];
    target.previous = supervisor_.find(id)->shared_spec();
    target.changed = changed_by(options_, target.previous);
    changes = changes || target.changed != target.previous;
  }
  plan_ = ReloadPlan(pm_ids, settings_for(*supervisor_.apps_.at(app_id_).spec, options, changes));
  supervisor_.reloads_.insert(this);
}

RollingReload::~RollingReload() {
  supervisor_.reloads_.erase(this);
  supervisor_.reload_ended(app_id_);
}

void RollingReload::push(Report report) {
  reports_.push_back(std::move(report));
  reported_.notify_all();
}

void RollingReload::say(int pm_id, const std::string& text) {
  if (progress_) progress_(pm_id, app_name_, text);
}

void RollingReload::start(int pm_id, bool previous, bool in_place) {
  Instance* instance = supervisor_.find(pm_id);
  if (instance == nullptr) {
    failed(pm_id, "it was deleted");
    return;
  }
  Target& target = targets_[pm_id];
  const std::string what = previous ? "the process with the previous settings" : "the new process";
  say(pm_id, in_place ? fmt::format("the old process finishes, then {} starts", what)
                      : fmt::format("starting {}", what));
  supervisor_.ports_.logs.end_of(instance->paths().error,
                                 [&target, alive = std::weak_ptr(alive_)](std::uint64_t size) {
                                   if (!alive.expired()) target.log_end = size;
                                 });
  const std::shared_ptr<const AppSpec> spec = previous ? target.previous : target.changed;
  target.in_place = in_place;
  if (in_place) {
    instance->replace_in_place(spec);
    return;
  }
  const std::optional<std::string> failure = instance->start_candidate(spec);
  if (failure) failed(pm_id, *failure);
}

void RollingReload::hold(int pm_id) {
  say(pm_id, fmt::format("the new process is ready, held for {} ms", min_ready_.count()));
  auto& timer = targets_[pm_id].hold;
  timer = std::make_unique<asio::steady_timer>(supervisor_.ports_.io, min_ready_);
  timer->async_wait([this, pm_id, alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (!error && !alive.expired()) push({Report::Kind::held, pm_id, {}});
  });
}

void RollingReload::perform(const ReloadAction& action) {
  struct Performer {
    RollingReload& self;
    void operator()(const StartCandidate& one) const { self.start(one.pm_id, one.previous, false); }
    void operator()(const ReplaceInPlace& one) const { self.start(one.pm_id, one.previous, true); }
    void operator()(const HoldCandidate& one) const { self.hold(one.pm_id); }
    void operator()(const RetireOld& retire) const {
      Instance* instance = self.supervisor_.find(retire.pm_id);
      if (instance == nullptr) {
        self.gone(retire.pm_id);
      } else if (instance->promote_candidate(self.options_.why)) {
        self.say(retire.pm_id, self.targets_[retire.pm_id].in_place
                                   ? "the new process is ready"
                                   : "the new process is ready, the old one finishes");
      } else {
        self.failed(retire.pm_id, "the instance has been stopped meanwhile");
      }
    }
    void operator()(const RemoveCandidate& remove) const {
      self.targets_[remove.pm_id].hold.reset();
      if (Instance* instance = self.supervisor_.find(remove.pm_id)) instance->remove_candidate();
    }
    void operator()(const ReloadFinished& finished) const { self.finished_ = finished; }
  };
  std::visit(Performer{*this}, action);
}

ReloadActions RollingReload::tell_plan(const Report& report) {
  switch (report.kind) {
    case Report::Kind::ready:
      return plan_.candidate_ready(report.pm_id);
    case Report::Kind::failed:
      return plan_.candidate_failed(report.pm_id, report.why);
    case Report::Kind::held:
      return plan_.held(report.pm_id);
    case Report::Kind::gone:
      return plan_.old_gone(report.pm_id);
    case Report::Kind::cancelled:
      return plan_.cancelled(report.why);
  }
  std::abort();
}

awaitable<std::string> RollingReload::run() {
  bool begun = false;
  while (!finished_) {
    Report report;
    ReloadActions actions;
    // What has come before its turn is heard first: it may be cancelled already.
    if (!begun && reports_.empty()) {
      begun = true;
      actions = plan_.begin();
    } else {
      while (reports_.empty()) co_await reported_.wait();
      report = std::move(reports_.front());
      reports_.pop_front();
      actions = tell_plan(report);
    }
    const bool failed = report.kind == Report::Kind::failed && !actions.empty();
    has_failed_ = has_failed_ || failed;
    if (failed) say(report.pm_id, fmt::format("failed: {}", report.why));
    for (const ReloadAction& action : actions) perform(action);
    if (failed) co_await read_last_words(report.pm_id);
  }
  record();
  co_await supervisor_.committed();
  if (!finished_->ok) fail();
  co_return finished_->reason;
}

awaitable<void> RollingReload::read_last_words(int pm_id) {
  const Instance* instance = supervisor_.find(pm_id);
  if (instance == nullptr) co_return;
  struct Answer {
    explicit Answer(asio::io_context& io) : there(io) {}
    Condition there;
    std::optional<std::string> text;
  };
  auto answer = std::make_shared<Answer>(supervisor_.ports_.io);
  LogSink& logs = supervisor_.ports_.logs;
  const std::string path = instance->paths().error;
  const std::uint64_t from = targets_[pm_id].log_end;
  logs.drain(pm_id, [answer, &logs, path, from] {
    logs.read(path, from, kLastWordsBytes, [answer](std::string text) {
      answer->text = std::move(text);
      answer->there.notify_all();
    });
  });
  while (!answer->text) co_await answer->there.wait();
  // Of two failures the first is the reason for the second.
  if (last_words_.empty()) last_words_ = indented_end(*answer->text);
}

void RollingReload::record() {
  const auto app = supervisor_.apps_.find(app_id_);
  if (app == supervisor_.apps_.end()) return;
  for (const auto& [id, target] : targets_) {
    Instance* instance = supervisor_.find(id);
    // Somebody else may have changed it meanwhile.
    const bool is_ours = instance != nullptr && instance->shared_spec() == target.changed;
    if (!finished_->ok && is_ours) instance->set_spec(target.previous);
  }
  if (!finished_->ok || (!options_.env && !options_.spec)) return;
  app->second.spec = changed_by(options_, app->second.spec);
  supervisor_.ports_.store.put_app({app_id_, *app->second.spec});
  for (const int id : app->second.members) {
    Instance* instance = supervisor_.find(id);
    if (targets_.count(id) == 0 || options_.spec)
      instance->set_spec(changed_by(options_, instance->shared_spec()));
  }
  supervisor_.update_upkeep(app->second);
  supervisor_.update_watch(app->second);
}

void RollingReload::fail() const {
  std::string text = fmt::format("{}: reload stopped: {}", app_name_, finished_->reason);
  if (!last_words_.empty())
    text += fmt::format("\nthe last lines of the new process's error output:{}", last_words_);
  const std::string hint =
      has_failed_ ? fmt::format("`pmx logs {} --err` shows all it said; repair it and reload again",
                                app_name_)
                  : "";
  throw Error(ErrorCode::not_ready, text, hint);
}

}  // namespace pmx
