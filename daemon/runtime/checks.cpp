#include "daemon/runtime/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/error.h"

namespace pmx {
namespace {

// Between two questions to what is not ready yet: soon at first, as most programs start quickly.
constexpr Millis kFirstPause{20};
constexpr Millis kLongestPause{1'000};
constexpr Millis kLongestReadyAnswer{5'000};
constexpr std::size_t kMostLog = 1024 * 1024;  // that is searched for a text at a time
// Behind the end of any file.
constexpr std::uint64_t kBeyond = 1ULL << 62;

bool is_asked(const Probe& probe) {
  return probe.kind == Probe::Kind::tcp || probe.kind == Probe::Kind::http ||
         probe.kind == Probe::Kind::unix_stream || probe.kind == Probe::Kind::exec;
}

}  // namespace

ProbeQuestion command_question(const AppSpec& spec, Env env) {
  ProbeQuestion question;
  question.probe.kind = Probe::Kind::exec;
  question.env = std::move(env);
  // What is the app's own: its channel, and how it gets its sockets.
  for (const char* name : {"NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID",
                           "LD_PRELOAD", "PMX_LISTEN_SOCKET"})
    question.env.erase(name);
  const auto preload = spec.env.find("LD_PRELOAD");
  if (preload != spec.env.end()) question.env.insert(*preload);
  question.cwd = spec.cwd;
  question.limits = spec.limits;
  return question;
}

std::unique_ptr<Checks> Checks::make(const Ports& ports, const AppSpec& spec, std::uint64_t app_id,
                                     RunId run, const Env& env, const InstancePaths& paths,
                                     Events events) {
  if (spec.ready.probe.empty() && spec.health.probe.empty()) return nullptr;
  return std::unique_ptr<Checks>(
      new Checks(ports, spec, app_id, run, env, paths, std::move(events)));
}

Checks::Checks(const Ports& ports, const AppSpec& spec, std::uint64_t app_id, RunId run,
               const Env& env, const InstancePaths& paths, Events events)
    : ports_(ports),
      events_(std::move(events)),
      settings_(spec.health),
      watchdog_timer_(ports.io),
      // One sign of life that does not come is enough: the app has sent several in that time.
      record_(spec.health.probe == "notify" ? 1 : spec.health.retries) {
  if (!spec.ready.probe.empty()) {
    ready_ = parse_probe(spec.ready.probe, ProbeUse::ready, env);
    if (is_asked(*ready_))
      ask_ready_ = ask(question(*ready_, std::min(spec.ready.timeout, kLongestReadyAnswer), spec,
                                app_id, run, env));
    if (ready_->kind == Probe::Kind::log) {
      *logs_ = {{paths.out, {}}, {paths.error, {}}};
      ask_ready_ = look_into_logs();
      for (std::size_t i = 0; i < logs_->size(); ++i) {
        ports_.logs.end_of((*logs_)[i].path,
                           [logs = logs_, i](std::uint64_t size) { (*logs)[i].from = size; });
      }
    }
  }
  if (!spec.health.probe.empty()) {
    const Probe probe = parse_probe(spec.health.probe, ProbeUse::health, env);
    watchdog_ = probe.kind == Probe::Kind::notify;
    if (!watchdog_) health_question_ = question(probe, spec.health.timeout, spec, app_id, run, env);
  }
}

ProbeQuestion Checks::question(const Probe& probe, Millis timeout, const AppSpec& spec,
                               std::uint64_t app_id, RunId run, const Env& env) const {
  ProbeQuestion question{.probe = probe, .timeout = timeout, .app_id = app_id, .run = run};
  if (probe.kind == Probe::Kind::exec) {
    ProbeQuestion command = command_question(spec, env);
    question.env = std::move(command.env);
    question.cwd = std::move(command.cwd);
    question.limits = std::move(command.limits);
  }
  return question;
}

ProbeLoop::Ask Checks::ask(const ProbeQuestion& question) const {
  return [&prober = ports_.prober, question](std::function<void(const std::string&)> done) {
    return prober.ask(question, std::move(done));
  };
}

ProbeLoop::Ask Checks::look_into_logs() const {
  return [&sink = ports_.logs, files = logs_,
          text = ready_->path](std::function<void(const std::string&)> done) {
    // Of all files the last answers: a good one at once.
    auto left = std::make_shared<std::size_t>(files->size());
    for (const LogFile& file : *files) {
      // Not known yet where it begins: nothing of it counts.
      const std::uint64_t from = file.from.value_or(kBeyond);
      sink.read(file.path, from, kMostLog, [left, done, text](const std::string& content) {
        if (*left == 0) return;
        const bool found = content.find(text) != std::string::npos;
        if (!found && --*left > 0) return;
        *left = 0;
        done(found ? "" : "not there yet");
      });
    }
    return std::unique_ptr<PendingProbe>();
  };
}

void Checks::prepare(SpawnRequest& request) const {
  request.notify = watchdog_ || ready_by(Probe::Kind::notify);
  if (request.notify) {
    // Those of whoever started us must not be used.
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"})
      request.env.erase(name);
  }
  if (watchdog_)
    request.env["WATCHDOG_USEC"] = std::to_string(
        std::chrono::duration_cast<std::chrono::microseconds>(settings_.interval).count());
  if (!ready_by(Probe::Kind::fd)) return;
  request.ready_fd = ready_->fd;
  const auto channel_at = static_cast<int>(Probe::kLowestFd + request.sockets.size());
  // An app that is told its number by itself has no use for Node's channel there.
  if (request.channel && ready_->fd == channel_at && !request.env.contains("NODE_UNIQUE_ID")) {
    request.channel = false;
    request.env.erase("NODE_CHANNEL_FD");
    request.env.erase("NODE_CHANNEL_SERIALIZATION_MODE");
  }
  if (ready_->fd < channel_at + (request.channel ? 1 : 0))
    throw Error(ErrorCode::invalid_spec,
                fmt::format("ready \"fd:{}\": that descriptor is taken; the first free one is {}",
                            ready_->fd, channel_at + (request.channel ? 1 : 0)));
}

void Checks::begin(UniqueFd notify, pid_t pid) {
  if (!notify) return;
  notify_ = ports_.notifies.watch(std::move(notify), pid,
                                  [this](const Notification& said) { heard(said); });
}

void Checks::await_ready() {
  if (!ask_ready_) return;
  const bool kind_is_log = ready_by(Probe::Kind::log);
  pause_ = kFirstPause;
  ready_loop_ = std::make_unique<ProbeLoop>(
      ports_.io, ask_ready_, kind_is_log ? kFirstPause : Millis{0},
      [this](const std::string& problem) -> std::optional<Millis> {
        if (problem.empty()) {
          last_problem_.clear();
          events_.ready();
          return std::nullopt;
        }
        last_problem_ = fmt::format("{}: {}", describe(*ready_), problem);
        return std::exchange(pause_, std::min(pause_ * 2, kLongestPause));
      });
}

void Checks::watch_health(bool on) {
  if (std::exchange(watching_health_, on) == on) return;
  health_loop_.reset();
  watchdog_timer_.cancel();
  if (!on) return;
  ready_loop_.reset();  // it may have become online in another way
  if (watchdog_) await_sign_of_life();
  if (!health_question_) return;
  const Millis first = std::max(settings_.start_period, Millis{0});
  const ProbeLoop::Ask ask_health = [this, inner = ask(*health_question_)](auto done) {
    asked_at_ = ports_.clock.now();
    return inner(std::move(done));
  };
  health_loop_ = std::make_unique<ProbeLoop>(
      ports_.io, ask_health, first,
      [this, alive = std::weak_ptr(alive_)](const std::string& problem) -> std::optional<Millis> {
        judge(problem.empty() ? problem
                              : fmt::format("{}: {}", describe(health_question_->probe), problem));
        if (alive.expired()) return std::nullopt;
        // From question to question: the time that an answer takes is part of the interval.
        const auto taken = std::chrono::ceil<Millis>(ports_.clock.now() - asked_at_);
        return std::max(settings_.interval - taken, Millis{0});
      });
}

void Checks::judge(const std::string& problem) {
  const Health before = record_.health();
  const std::string text_before = record_.text();
  const bool act = record_.heard(problem);
  const std::weak_ptr<bool> alive = alive_;
  if (record_.health() != before || record_.text() != text_before) events_.changed();
  if (!alive.expired() && act) events_.unhealthy("unhealthy: " + record_.text());
}

void Checks::await_sign_of_life() {
  watchdog_timer_.expires_after(settings_.interval);
  watchdog_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (error || alive.expired()) return;
    await_sign_of_life();
    judge(fmt::format("no WATCHDOG=1 within {} ms", settings_.interval.count()));
  });
}

void Checks::heard(const Notification& said) {
  const std::weak_ptr<bool> alive = alive_;
  if (said.status && *said.status != said_) {
    said_ = *said.status;
    events_.changed();
  }
  if (!alive.expired() && said.extend) events_.needs_longer(*said.extend);
  if (!alive.expired() && watching_health_ && watchdog_ && (said.alive || said.asks_for_restart)) {
    await_sign_of_life();
    if (said.alive) judge("");
    if (!alive.expired() && said.asks_for_restart)
      events_.unhealthy("it asked for it (WATCHDOG=trigger)");
  }
  const bool counts = ready_by(Probe::Kind::notify) || ready_by(Probe::Kind::fd);
  if (!alive.expired() && said.ready && counts) events_.ready();
}

}  // namespace pmx
