#include "daemon/runtime/instance.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <system_error>
#include <utility>
#include <variant>

#include "common/model/door.h"
#include "daemon/runtime/checks.h"
#include "daemon/runtime/stopper.h"

namespace pmx {
namespace {

std::string end_of_candidate(const Incarnation& candidate, const ProcessExit& exit) {
  return fmt::format("it ended {} it was ready: {}", candidate.ready ? "after" : "before",
                     exit.status.describe());
}

}  // namespace

Instance::Instance(const Ports& ports, std::shared_ptr<const AppSpec> spec, Identity identity,
                   Events events)
    : ports_(ports),
      spec_(std::move(spec)),
      identity_(std::move(identity)),
      events_(std::move(events)),
      paths_(ports.paths(*spec_, identity_.pm_id)),
      fsm_(fsm_settings()),
      restart_timer_(ports.io),
      turn_timer_(ports.io),
      run_timer_(ports.io),
      ready_timer_(ports.io),
      candidate_timer_(ports.io) {}

Instance::~Instance() = default;

InstanceFsmSettings Instance::fsm_settings() const {
  InstanceFsmSettings settings = InstanceFsmSettings::from(*spec_);
  settings.restart.jitter_seed = static_cast<std::uint64_t>(identity_.pm_id);
  return settings;
}

void Instance::attach_logs() {
  OutputPipes pipes = ports_.spawner.open_output(identity_.pm_id);
  ports_.logs.attach(identity_.pm_id, std::move(pipes.out), std::move(pipes.error), paths_.out,
                     paths_.error, log_style());
}

LogStyle Instance::log_style() const {
  return {spec_->log_date_format, spec_->log_type == "json", spec_->name, paths_.combined,
          spec_->log_limits};
}

void Instance::set_spec(std::shared_ptr<const AppSpec> spec) {
  const LogStyle style = log_style();
  spec_ = std::move(spec);
  fsm_.set_settings(fsm_settings());
  guarded_ = 0;  // by the settings until now
  update_upkeep();
  InstancePaths paths = ports_.paths(*spec_, identity_.pm_id);
  const bool logs_moved = paths.out != paths_.out || paths.error != paths_.error ||
                          paths.combined != paths_.combined || style != log_style();
  if (paths.pid != paths_.pid) {
    ports_.store.put_file(paths_.pid, std::nullopt);
    if (current_ && !current_->exited)
      ports_.store.put_file(paths.pid, std::to_string(current_->pid));
  }
  paths_ = std::move(paths);
  if (logs_moved) {
    ports_.logs.detach(identity_.pm_id, [] {});
    attach_logs();
  }
}

void Instance::reset_counters() {
  fsm_.reset_counters();
  identity_.created_at = ports_.clock.wall_now();
  record();
  events_.changed();
}

void Instance::start() {
  not_ready_.clear();
  if (!current_) asked_for_ = "start";
  handle(StartRequested{});
}

void Instance::restart() {
  not_ready_.clear();
  asked_for_ = "restart";
  handle(RestartRequested{});
}

void Instance::run_due(const std::string& what, std::chrono::sys_seconds settled) {
  settled_until_ = settled;
  if (!what.empty()) handle(RunDue{what});
  record();
}

bool Instance::settled() const noexcept {
  return fsm_.state() != InstanceState::stopping && fsm_.state() != InstanceState::launching;
}

// --- The state machine and its effects ---

void Instance::handle(const InstanceEvent& event) {
  // Effects answer with events: these wait their turn.
  inbox_.push_back(event);
  if (std::exchange(handling_, true)) return;
  while (!inbox_.empty()) {
    const InstanceEvent next = std::move(inbox_.front());
    inbox_.pop_front();
    const InstanceState before = fsm_.state();
    const InstanceStep step = fsm_.on(next, ports_.clock.now());
    if (fsm_.snapshot().after_stop == InstanceFsm::AfterStop::decide) not_ready_ = fsm_.reason();
    for (const InstanceEffect& effect : step.effects) perform(effect);
    if (fsm_.state() == InstanceState::online && std::exchange(comes_back_, false))
      events_.came_back(identity_.pm_id);
    if (fsm_.state() != before && fsm_.state() == InstanceState::stopped)
      events_.happened(identity_.pm_id, {"stop", fsm_.reason(), fsm_.snapshot().by_operator});
    if (fsm_.state() != before && fsm_.state() == InstanceState::errored)
      events_.happened(identity_.pm_id, {"restart overlimit", fsm_.reason()});
    if (step.ignored && std::holds_alternative<RunDue>(next))
      ports_.log(fmt::format("{} ({}): {}", spec_->name, identity_.pm_id, step.reason));
    // A stop need not wait for what was never begun.
    if (!waits_for_.empty() && fsm_.state() == InstanceState::stopping) {
      turn_timer_.cancel();
      inbox_.push_back(SpawnFailed{std::exchange(waits_for_, "")});
    }
  }
  handling_ = false;
}

void Instance::perform(const InstanceEffect& effect) {
  struct Performer {
    Instance& self;
    void operator()(const effect::Spawn&) const { self.spawn_when_permitted(); }
    void operator()(const effect::BeginStop&) const { self.begin_stop(); }
    void operator()(const effect::SweepLeftovers&) const { self.sweep(); }
    void operator()(const effect::ArmRestartTimer& timer) const {
      self.arm(self.restart_timer_, timer.delay, RestartDue{});
    }
    void operator()(const effect::CancelRestartTimer&) const { self.restart_timer_.cancel(); }
    void operator()(const effect::ArmReadyTimer& timer) const { self.arm_ready_timer(timer.delay); }
    void operator()(const effect::CancelReadyTimer&) const { self.ready_timer_.cancel(); }
    void operator()(const effect::AwaitConnection&) const { self.await_connection(); }
    void operator()(const effect::CancelAwait&) const { self.first_connection_.reset(); }
    void operator()(const effect::Changed&) const {
      self.admit_if_online();
      self.update_upkeep();
      self.record();
      self.events_.changed();
    }
  };
  std::visit(Performer{*this}, effect);
}

void Instance::admit_if_online() {
  if (!current_ || fsm_.state() != InstanceState::online) return;
  if (current_->checks && current_->checks->health() == Health::unhealthy) {
    ports_.listeners.retire(identity_.app_id, current_->run);
  } else {
    ports_.listeners.admit(identity_.app_id, current_->run);
  }
}

void Instance::arm(asio::steady_timer& timer, Millis delay, InstanceEvent event) {
  timer.expires_after(delay);
  timer.async_wait([this, event = std::move(event),
                    alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (!error && !alive.expired()) handle(event);
  });
}

void Instance::arm_ready_timer(Millis delay) {
  ready_timer_.expires_after(delay);
  ready_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (error || alive.expired()) return;
    const Checks* checks = current_ ? current_->checks.get() : nullptr;
    handle(ReadyTimedOut{checks != nullptr ? checks->not_ready_because() : ""});
  });
}

void Instance::begin_stop() {
  if (candidate_) candidate_failed("the app is being stopped");
  // What still drains after a reload has no more time than the rest.
  for (const auto& incarnation : retiring_) {
    incarnation->stopper.reset();
    end_retired(*incarnation, StopPurpose::stop);
  }
  if (!current_) {
    handle(StopFinished{});
    return;
  }
  const StopPurpose purpose = std::exchange(stop_purpose_, StopPurpose::stop);
  ports_.listeners.retire(identity_.app_id, current_->run);
  end(*current_, purpose, [this](bool gone, const std::string& reason) {
    if (!gone) {
      if (current_) current_->stopper.reset();
      handle(StopFailed{reason});
      return;
    }
    if (current_) ports_.spawner.forget(current_->run);
    current_.reset();
    handle(StopFinished{});
  });
}

void Instance::sweep() {
  if (!current_) return;
  if (spec_->kill_mode != KillMode::leader) {
    TreeQuery query{0, token(current_->run.generation), current_->run};
    if (spec_->kill_mode == KillMode::group) {
      query.session = current_->pid;
    } else {
      ports_.processes.kill_at_once(current_->run);
    }
    for (const ProcessRef& process : ports_.processes.tree(query))
      ports_.processes.signal(process, SIGKILL);
  }
  current_.reset();
}

// --- Runs ---

std::string Instance::token(std::uint32_t generation) const {
  return fmt::format("{}.{}.{}", identity_.pm_id, generation, identity_.unique_id);
}

Incarnation* Instance::find(std::uint32_t generation) {
  if (current_ && current_->run.generation == generation) return current_.get();
  if (candidate_ && candidate_->run.generation == generation) return candidate_.get();
  for (const auto& incarnation : retiring_) {
    if (incarnation->run.generation == generation) return incarnation.get();
  }
  return nullptr;
}

void Instance::remember(const Incarnation& incarnation) const {
  ports_.spawner.remember(incarnation.run, note_of(incarnation));
}

void Instance::set_role(Incarnation& incarnation, Incarnation::Role role) {
  incarnation.role = role;
  remember(incarnation);
}

void Instance::became_ready(std::uint32_t generation) {
  Incarnation* incarnation = find(generation);
  if (incarnation == nullptr || std::exchange(incarnation->ready, true)) return;
  remember(*incarnation);
  problem_.clear();
  if (incarnation == current_.get()) {
    handle(Ready{});
  }
  if (incarnation == candidate_.get() || is_in_place(generation)) {
    candidate_timer_.cancel();
    events_.candidate_ready(identity_.pm_id);
  }
}

void Instance::now_listens(std::uint32_t generation) {
  const Incarnation* incarnation = find(generation);
  if (incarnation == nullptr) return;
  const bool is_candidate = incarnation == candidate_.get() && candidate_spec_;
  const AppSpec& spec = is_candidate ? *candidate_spec_ : *spec_;
  const bool counts =
      spec.ready.probe.empty()
          ? !spec.wait_ready
          : incarnation->checks && incarnation->checks->ready_by(Probe::Kind::listen);
  if (counts) became_ready(generation);
}

void Instance::socket_problem(const std::string& text) {
  ports_.log(fmt::format("{} ({}): {}", spec_->name, identity_.pm_id, text));
  problem_ = text;
}

void Instance::log_trouble(const std::string& problem, std::uint64_t dropped) {
  log_problem_ = problem;
  log_dropped_ = dropped;
  events_.changed();
}

std::optional<std::uint32_t> Instance::generation_of(const std::string& token_text) const {
  for (const Incarnation* incarnation : {current_.get(), candidate_.get()}) {
    if (incarnation != nullptr && token(incarnation->run.generation) == token_text)
      return incarnation->run.generation;
  }
  return std::nullopt;
}

const AppSpec* Instance::spec_to_share(std::uint32_t generation) const {
  if (current_ && current_->run.generation == generation) return spec_.get();
  if (candidate_ && candidate_->run.generation == generation && candidate_spec_)
    return candidate_spec_.get();
  return nullptr;
}

void Instance::message(std::uint32_t generation, std::string_view json) {
  if (json != "\"ready\"") return;
  const Incarnation* incarnation = find(generation);
  // With a probe of its own the message means nothing, unless that is the probe.
  const bool is_probed =
      incarnation != nullptr && incarnation->checks && incarnation->checks->has_ready_probe();
  if (!is_probed || incarnation->checks->ready_by(Probe::Kind::message)) became_ready(generation);
}

void Instance::channel_closed(std::uint32_t generation) {
  Incarnation* incarnation = find(generation);
  if (incarnation != nullptr && incarnation->stopper) incarnation->stopper->channel_closed();
}

void Instance::drained(std::uint32_t generation) {
  Incarnation* incarnation = find(generation);
  if (incarnation != nullptr && incarnation->stopper) incarnation->stopper->drained();
}

void Instance::exited(const ProcessExit& exit) {
  ports_.processes.remove_main(exit.pid);
  // Before anything else: connections must not wait for the dead.
  ports_.listeners.leave(identity_.app_id, exit.run);
  Incarnation* incarnation = find(exit.run.generation);
  if (incarnation == nullptr) {
    ports_.spawner.forget(exit.run);
    return;
  }
  incarnation->exited = true;
  std::string reason = exit.status.describe();
  if (incarnation != current_.get()) reason += " (of a reload)";
  events_.happened(identity_.pm_id, {"exit", std::move(reason), false, exit.status});
  ports_.logs.end_line(identity_.pm_id);
  if (incarnation->stopper) incarnation->stopper->main_exited();
  if (incarnation == current_.get()) {
    const bool stopping = current_->stopper != nullptr;
    if (!stopping && is_in_place(exit.run.generation))
      candidate_failed(end_of_candidate(*current_, exit));
    handle(Exited{exit.status});
    if (stopping) return;  // the stopper's end forgets the run
    // The end is recorded before the keeper may forget it: a crash in between must not lose it.
    ports_.store.commit([this, run = exit.run, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) ports_.spawner.forget(run);
    });
  } else if (incarnation == candidate_.get()) {
    candidate_failed(end_of_candidate(*candidate_, exit));
  }
}

bool Instance::signal(int number) {
  if (!current_ || current_->exited) return false;
  for (const ProcessRef& process :
       ports_.processes.tree({current_->pid, token(current_->run.generation), current_->run})) {
    if (process.pid == current_->pid) return ports_.processes.signal(process, number);
  }
  return false;
}

void Instance::end(Incarnation& incarnation, StopPurpose purpose,
                   std::function<void(bool, const std::string&)> done) {
  if (incarnation.stopper) return;
  incarnation.stopper = std::make_unique<Stopper>(
      ports_, identity_.app_id, incarnation, token(incarnation.run.generation), *spec_,
      spec_->stop_command.empty() ? Env() : environment(*spec_, incarnation.run.generation),
      purpose, [done = std::move(done)](const Stopper::Outcome& outcome) {
        done(outcome.gone, outcome.reason);
      });
  incarnation.stopper->begin();
  if (incarnation.exited) incarnation.stopper->main_exited();
}

InstanceStatus Instance::status(bool detail) const {
  InstanceStatus status;
  status.pm_id = identity_.pm_id;
  status.instance_number = identity_.number;
  status.name = spec_->name;
  status.name_space = spec_->name_space;
  status.version = spec_->version;
  status.exec_mode = spec_->exec_mode;
  status.user = spec_->user;
  status.state = fsm_.state();
  status.reason = fsm_.reason();
  if (!problem_.empty()) status.reason += "; " + problem_;
  if (!waits_for_.empty()) status.reason += "; " + waits_for_;
  status.ever_spawned = ever_spawned_;
  status.started_at = started_at_;
  status.created_at = identity_.created_at;
  status.restarts = fsm_.restarts();
  status.unstable_restarts = fsm_.unstable_restarts();
  status.restart_delay = fsm_.backoff();
  status.last_exit = fsm_.last_exit();
  status.log_problem = log_problem_;
  status.log_dropped = log_dropped_;
  if (current_ && !current_->exited) {
    status.pid = current_->pid;
    const Usage usage = ports_.processes.usage(current_->pid);
    status.cpu_percent = usage.cpu_percent;
    status.memory_bytes = usage.memory_bytes;
    if (const Checks* checks = current_->checks.get()) {
      status.health = checks->health();
      status.health_text = checks->health_text();
      status.said = checks->said();
      if (fsm_.state() == InstanceState::launching && !checks->not_ready_because().empty())
        status.reason += ": " + checks->not_ready_because();
    }
  }
  if (detail) {
    InstanceStatus::Detail& more = status.detail.emplace();
    more.spec = *spec_;
    more.out_path = paths_.out;
    more.error_path = paths_.error;
    more.log_path = paths_.combined;
    more.pid_path = paths_.pid;
    more.unique_id = identity_.unique_id;
    if (current_) more.tree_by = ports_.processes.known_by(current_->run);
    if (current_ && !current_->exited) more.custom = current_->reports.report();
    for (const ListenerStatus& one : ports_.listeners.status(identity_.app_id)) {
      more.sockets.push_back(fmt::format(
          "{}, {}{}{}{}", one.address, to_string(one.balance),
          one.queued > 0 ? fmt::format(", {} connections wait", one.queued) : "",
          one.reset > 0 ? fmt::format(", {} reset that waited for an ended instance", one.reset)
                        : "",
          one.remark.empty() ? "" : ", " + one.remark));
    }
  }
  return status;
}

}  // namespace pmx
