// Instance: when a process is started, and with what.
#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>
#include <variant>

#include "common/base/error.h"
#include "common/model/door.h"
#include "daemon/policy/increment_var.h"
#include "daemon/runtime/checks.h"
#include "daemon/runtime/declared_sockets.h"
#include "daemon/runtime/instance.h"

namespace pmx {

void Instance::spawn_when_permitted() {
  // What has crashed does not wait again: what it depends on was there.
  if (fsm_.snapshot().spawn_automatic) {
    spawn_after(events_.wait_for_turn());
    return;
  }
  if (!spec_->depends_on.empty()) {
    const StartPermit permit = events_.may_start(identity_.pm_id);
    if (permit.verdict == StartPermit::Verdict::wait) {
      waits_for_ = permit.why;
      return;
    }
    if (permit.verdict == StartPermit::Verdict::never) {
      handle(SpawnFailed{permit.why});
      return;
    }
  }
  spawn_current();
}

void Instance::spawn_after(Duration wait) {
  if (wait <= Duration{0}) {
    spawn_current();
    return;
  }
  waits_for_ = "waits for its turn: many are being restarted";
  turn_timer_.expires_after(wait);
  turn_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (error || alive.expired() || waits_for_.empty()) return;
    waits_for_.clear();
    spawn_current();
  });
}

void Instance::try_gate() {
  if (waits_for_.empty() || fsm_.snapshot().spawn_automatic) return;
  const StartPermit permit = events_.may_start(identity_.pm_id);
  waits_for_ = permit.why;
  if (permit.verdict == StartPermit::Verdict::wait) return;
  waits_for_.clear();
  if (permit.verdict == StartPermit::Verdict::never) {
    handle(SpawnFailed{permit.why});
  } else {
    spawn_current();
  }
}

InstanceProgress Instance::progress() const {
  InstanceProgress progress;
  progress.state = fsm_.state();
  progress.has_process = current_ && !current_->exited;
  progress.by_operator = fsm_.snapshot().by_operator;
  if (current_ && current_->checks) progress.health = current_->checks->health();
  progress.last_exit = fsm_.last_exit();
  progress.ended_well = progress.last_exit &&
                        (progress.last_exit->success() ||
                         (progress.last_exit->kind == ExitStatus::Kind::exited &&
                          std::ranges::find(spec_->success_exit_codes, progress.last_exit->value) !=
                              spec_->success_exit_codes.end()));
  progress.reason = fsm_.reason();
  return progress;
}

void Instance::spawn_current() {
  std::string failure;
  comes_back_ = ever_spawned_;
  current_ = spawn(*spec_, Incarnation::Role::current, failure);
  if (current_) {
    tell_online(fsm_.reason());
    watch_in_place();
    handle(Spawned{current_->run.generation});
  } else {
    if (in_place_after_ != 0) candidate_failed(failure);
    handle(SpawnFailed{failure});
  }
}

void Instance::tell_online(std::string reason) {
  events_.happened(identity_.pm_id, {"online", reason});
  if (asked_for_ != nullptr)
    events_.happened(identity_.pm_id,
                     {std::exchange(asked_for_, nullptr), std::move(reason), true});
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
  request.secret_files = spec.secret_files;
  request.cwd = spec.cwd;
  // A job ends with its input, as under cron; what serves goes on.
  request.input = !spec.job;
  request.limits = spec.limits;
  request.watch_binds = door_of(spec) == Door::seccomp;
  request.note = note_of(*incarnation);
  if (!spec.listen.empty()) {
    if (const auto why = add_declared_sockets(ports_.listeners, identity_.app_id, spec, request)) {
      failure = *why;
      ports_.listeners.leave(identity_.app_id, request.run);
      return nullptr;
    }
  }
  try {
    add_checks(*incarnation, spec, request.env);
    if (incarnation->checks) incarnation->checks->prepare(request);
  } catch (const Error& error) {
    failure = error.what();
    ports_.listeners.leave(identity_.app_id, request.run);
    return nullptr;
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
  if (process.binds)
    incarnation->binds = ports_.binds.watch(std::move(process.binds), incarnation->run, 0);
  if (incarnation->checks) {
    incarnation->checks->begin(std::move(process.notify), process.pid);
    incarnation->checks->await_ready();
  }
  return incarnation;
}

void Instance::open_channel(Incarnation& incarnation, UniqueFd fd, const AppSpec& spec,
                            const std::string& note) {
  if (!fd) return;
  const std::uint32_t generation = incarnation.run.generation;
  ChannelEvents events;
  events.on_listening = [this, generation] { now_listens(generation); };
  events.on_any_message = [this](std::string_view json) { events_.said(identity_.pm_id, json); };
  events.on_message = [this, generation](std::string_view json) { message(generation, json); };
  events.on_app_message = [this, generation](AppMessage said) {
    app_message(generation, std::move(said));
  };
  events.on_drained = [this, generation] { drained(generation); };
  events.on_closed = [this, generation] { channel_closed(generation); };
  events.on_note_changed = [this, generation] {
    if (const Incarnation* changed = find(generation)) remember(*changed);
  };
  events.on_problem = [this](const std::string& text) { socket_problem(text); };
  const WorkerIdentity identity{identity_.app_id, incarnation.run, door_of(spec) == Door::node,
                                spec.balance};
  incarnation.channel = ports_.channels.open(std::move(fd), identity, note, std::move(events));
}

}  // namespace pmx
