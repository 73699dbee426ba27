#include "daemon/runtime/instance.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <system_error>
#include <utility>
#include <variant>

#include "common/model/door.h"
#include "daemon/policy/increment_var.h"
#include "daemon/runtime/declared_sockets.h"
#include "daemon/runtime/stopper.h"

namespace pmx {
namespace {

// The note kept beside a process: role, ready or not, then what the channel wants kept.
std::string note_of(const Incarnation& incarnation) {
  return fmt::format("{}{};{}", static_cast<char>(incarnation.role), incarnation.ready ? '1' : '0',
                     incarnation.channel ? incarnation.channel->note() : "");
}

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
                     paths_.error);
}

void Instance::set_spec(std::shared_ptr<const AppSpec> spec) {
  spec_ = std::move(spec);
  fsm_.set_settings(fsm_settings());
  InstancePaths paths = ports_.paths(*spec_, identity_.pm_id);
  const bool logs_moved = paths.out != paths_.out || paths.error != paths_.error;
  if (paths.pid != paths_.pid) ports_.store.put_file(paths_.pid, std::nullopt);
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
    const InstanceStep step = fsm_.on(next, ports_.clock.now());
    for (const InstanceEffect& effect : step.effects) perform(effect);
  }
  handling_ = false;
}

void Instance::perform(const InstanceEffect& effect) {
  struct Performer {
    Instance& self;
    void operator()(const effect::Spawn&) const { self.spawn_current(); }
    void operator()(const effect::BeginStop&) const { self.begin_stop(); }
    void operator()(const effect::SweepLeftovers&) const { self.sweep(); }
    void operator()(const effect::ArmRestartTimer& timer) const {
      self.arm(self.restart_timer_, timer.delay, RestartDue{});
    }
    void operator()(const effect::CancelRestartTimer&) const { self.restart_timer_.cancel(); }
    void operator()(const effect::ArmReadyTimer& timer) const {
      self.arm(self.ready_timer_, timer.delay, ReadyTimedOut{});
    }
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
  if (current_ && fsm_.state() == InstanceState::online)
    ports_.listeners.admit(identity_.app_id, current_->run);
}

void Instance::arm(asio::steady_timer& timer, Millis delay, InstanceEvent event) {
  timer.expires_after(delay);
  timer.async_wait([this, event = std::move(event),
                    alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (!error && !alive.expired()) handle(event);
  });
}

void Instance::spawn_current() {
  std::string failure;
  current_ = spawn(*spec_, Incarnation::Role::current, failure);
  if (current_) {
    watch_in_place();
    handle(Spawned{current_->run.generation});
  } else {
    if (in_place_after_ != 0) candidate_failed(failure);
    handle(SpawnFailed{failure});
  }
}

void Instance::await_connection() {
  auto opened = open_declared_sockets(ports_.listeners, identity_.app_id, *spec_, identity_.pm_id);
  if (const auto* problem = std::get_if<std::string>(&opened)) {
    handle(SpawnFailed{*problem});
    return;
  }
  try {
    first_connection_.emplace(ports_.io, std::get<std::vector<int>>(opened), [this] {
      first_connection_.reset();
      handle(Connected{});
    });
  } catch (const std::system_error& error) {
    handle(SpawnFailed{error.what()});
  }
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
  if (spec_->treekill) {
    for (const ProcessRef& process : ports_.processes.tree({0, token(current_->run.generation)})) {
      ports_.processes.signal(process, SIGKILL);
    }
  }
  current_.reset();
}

// --- Runs ---

std::string Instance::token(std::uint32_t generation) const {
  return fmt::format("{}.{}.{}", identity_.pm_id, generation, identity_.unique_id);
}

Env Instance::environment(const AppSpec& spec, std::uint32_t generation) const {
  Env env = spec.env;
  env["PMX_HOME"] = ports_.home;
  env["PMX_TOKEN"] = token(generation);
  env["pm_id"] = std::to_string(identity_.pm_id);
  env["name"] = spec.name;
  env["namespace"] = spec.name_space;
  env["unique_id"] = identity_.unique_id;
  env["exec_mode"] = fmt::format("{}_mode", to_string(spec.exec_mode));
  env["restart_time"] = std::to_string(fsm_.restarts());
  env["pm_uptime"] = std::to_string(ports_.clock.wall_now());
  env[spec.instance_var] = std::to_string(identity_.number);
  env["NODE_CHANNEL_FD"] = "3";
  env["NODE_CHANNEL_SERIALIZATION_MODE"] = "json";
  if (!spec.increment_var.empty()) {
    if (auto value = incremented(spec, identity_.number))
      env[spec.increment_var] = *std::move(value);
  }
  // cluster.worker.id: the same for every run of an instance, so that "worker 1 does it" keeps its
  // meaning.
  const Door door = door_of(spec);
  if (door == Door::node) env["NODE_UNIQUE_ID"] = std::to_string(identity_.number + 1);
  if (door == Door::preload && !ports_.preload_library.empty()) {
    std::string& preload = env["LD_PRELOAD"];
    preload = preload.empty() ? ports_.preload_library : ports_.preload_library + ":" + preload;
    env["PMX_LISTEN_SOCKET"] = ports_.listen_socket;
  }
  return env;
}

std::unique_ptr<Incarnation> Instance::spawn(const AppSpec& spec, Incarnation::Role role,
                                             std::string& failure) {
  auto incarnation = std::make_unique<Incarnation>();
  incarnation->run = {identity_.pm_id, ++generation_};
  incarnation->role = role;
  incarnation->started = ports_.clock.now();
  incarnation->started_at = ports_.clock.wall_now();

  SpawnRequest request;
  request.run = incarnation->run;
  auto [program, argv] = ports_.command(spec, identity_.number);
  request.program = std::move(program);
  request.argv = std::move(argv);
  request.env = environment(spec, generation_);
  request.cwd = spec.cwd;
  request.limits = spec.limits;
  request.note = note_of(*incarnation);
  if (!spec.listen.empty()) {
    if (const auto why = add_declared_sockets(ports_.listeners, identity_.app_id, spec, request)) {
      failure = *why;
      ports_.listeners.leave(identity_.app_id, request.run);
      return nullptr;
    }
  }
  auto result = ports_.spawner.spawn(request);
  if (const auto* error = std::get_if<SpawnError>(&result)) {
    failure = error->describe();
    ports_.listeners.leave(identity_.app_id, request.run);
    return nullptr;
  }
  auto& process = std::get<Process>(result);
  incarnation->pid = process.pid;
  incarnation->start_time = process.start_time;
  ever_spawned_ = true;
  if (role == Incarnation::Role::current) started_at_ = incarnation->started_at;
  ports_.processes.add_main(incarnation->pid);
  open_channel(*incarnation, std::move(process.channel), spec, "");
  return incarnation;
}

void Instance::open_channel(Incarnation& incarnation, UniqueFd fd, const AppSpec& spec,
                            const std::string& note) {
  if (!fd) return;
  const std::uint32_t generation = incarnation.run.generation;
  ChannelEvents events;
  events.on_listening = [this, generation] { now_listens(generation); };
  events.on_message = [this, generation](std::string_view json) { message(generation, json); };
  events.on_closed = [this, generation] { channel_closed(generation); };
  events.on_note_changed = [this, generation] {
    if (const Incarnation* changed = find(generation)) remember(*changed);
  };
  events.on_problem = [this](const std::string& text) { socket_problem(text); };
  const WorkerIdentity identity{identity_.app_id, incarnation.run, door_of(spec) == Door::node,
                                spec.balance};
  incarnation.channel = ports_.channels.open(std::move(fd), identity, note, std::move(events));
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
  if (!(is_candidate ? *candidate_spec_ : *spec_).wait_ready) became_ready(generation);
}

void Instance::socket_problem(const std::string& text) {
  ports_.log(fmt::format("{} ({}): {}", spec_->name, identity_.pm_id, text));
  problem_ = text;
}

std::optional<std::uint32_t> Instance::generation_of(const std::string& token_text) const {
  for (const Incarnation* incarnation : {current_.get(), candidate_.get()}) {
    if (incarnation != nullptr && token(incarnation->run.generation) == token_text)
      return incarnation->run.generation;
  }
  return std::nullopt;
}

void Instance::message(std::uint32_t generation, std::string_view json) {
  if (json == "\"ready\"") became_ready(generation);
}

void Instance::channel_closed(std::uint32_t generation) {
  Incarnation* incarnation = find(generation);
  if (incarnation != nullptr && incarnation->stopper) incarnation->stopper->channel_closed();
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
       ports_.processes.tree({current_->pid, token(current_->run.generation)})) {
    if (process.pid == current_->pid) return ports_.processes.signal(process, number);
  }
  return false;
}

void Instance::end(Incarnation& incarnation, StopPurpose purpose,
                   std::function<void(bool, const std::string&)> done) {
  if (incarnation.stopper) return;
  incarnation.stopper = std::make_unique<Stopper>(
      ports_, identity_.app_id, incarnation, token(incarnation.run.generation), *spec_, purpose,
      [done = std::move(done)](const Stopper::Outcome& outcome) {
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
  status.ever_spawned = ever_spawned_;
  status.started_at = started_at_;
  status.created_at = identity_.created_at;
  status.restarts = fsm_.restarts();
  status.unstable_restarts = fsm_.unstable_restarts();
  status.restart_delay = fsm_.backoff();
  status.last_exit = fsm_.last_exit();
  if (current_ && !current_->exited) {
    status.pid = current_->pid;
    const Usage usage = ports_.processes.usage(current_->pid);
    status.cpu_percent = usage.cpu_percent;
    status.memory_bytes = usage.memory_bytes;
  }
  if (detail) {
    InstanceStatus::Detail& more = status.detail.emplace();
    more.spec = *spec_;
    more.out_path = paths_.out;
    more.error_path = paths_.error;
    more.pid_path = paths_.pid;
    more.unique_id = identity_.unique_id;
    for (const ListenerStatus& one : ports_.listeners.status(identity_.app_id)) {
      more.sockets.push_back(
          fmt::format("{}, {}{}{}", one.address, to_string(one.balance),
                      one.queued > 0 ? fmt::format(", {} connections wait", one.queued) : "",
                      one.remark.empty() ? "" : ", " + one.remark));
    }
  }
  return status;
}

}  // namespace pmx
