#include "cli/foreground/foreground.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "cli/autostart.h"
#include "cli/render/text_width.h"
#include "cli/running_keeper.h"
#include "common/model/signal_name.h"
#include "common/sys/pidfd.h"

namespace pmx::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kCodeOfApps = 2;  // as pm2: apps have failed
constexpr int kSignalBase = 128;
constexpr int kReconnectEvery = 100;             // milliseconds
constexpr int kKeeperEndsWithin = 15'000;        // milliseconds, of a start that has failed
constexpr int kReaderPatience = 5'000;           // milliseconds, at the end
constexpr std::chrono::seconds kNewKeeperIn{2};  // when one was killed

UniqueFd take_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD})
    ::sigaddset(&signals, number);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw std::system_error(errno, std::generic_category(), "signalfd");
  return fd;
}

LogViewOptions view_options(const ForegroundOptions& options, bool colour) {
  LogViewOptions view;
  view.lines = 0;
  view.format = options.format;
  view.colour = colour;
  if (!options.timestamp.empty()) view.timestamp = options.timestamp;
  return view;
}

// Nothing runs there, and nothing is going to by itself.
bool rests(const InstanceStatus& one) {
  const bool has_ended = one.state == InstanceState::stopped || one.state == InstanceState::errored;
  const bool tries_again =
      one.state == InstanceState::errored && one.detail && one.detail->spec.retry_after > Millis{0};
  return has_ended && !tries_again && !one.next_run && !one.watching;
}

int code_of(const InstanceStatus& one) {
  if (!one.last_exit) return one.state == InstanceState::errored ? kCodeOfApps : 0;
  switch (one.last_exit->kind) {
    case ExitStatus::Kind::exited:
      return one.last_exit->value;
    case ExitStatus::Kind::signalled:
      return kSignalBase + one.last_exit->value;
    case ExitStatus::Kind::unknown:
      break;
  }
  return kCodeOfApps;
}

}  // namespace

Foreground::Foreground(Context& context, ForegroundOptions options)
    : context_(context),
      options_(std::move(options)),
      view_options_(view_options(options_, context.output.colours())),
      out_(STDOUT_FILENO),
      err_(STDERR_FILENO),
      printer_(view_options_, out_.file(), err_.file()),
      view_(view_options_, out_.file(), err_.file()) {}

// A start that has failed leaves nothing behind.
Foreground::~Foreground() {
  if (!keeper_ || phase_ == Phase::over) return;
  sys::pidfd_signal(keeper_.get(), SIGTERM);
  pollfd ended{.fd = keeper_.get(), .events = POLLIN, .revents = 0};
  while (::poll(&ended, 1, kKeeperEndsWithin) < 0 && errno == EINTR) {
  }
  reap();
  forget_transient_list(context_.paths());
}

int Foreground::run(std::vector<AppSpec> apps) {
  for (const AppSpec& app : apps) names_.push_back(app.name);
  if (options_.autostart) waiting_names_ = names_;
  if (options_.main_app && std::ranges::find(names_, *options_.main_app) == names_.end())
    throw UsageError(fmt::format("--exit-code-from {}: there is no such app", *options_.main_app),
                     "a name from the file, or of --name");
  signals_ = take_signals();
  // Processes that have lost their parents come to us, if they do not anyway; so does a new keeper.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ForegroundDaemon daemon = start_in_foreground(context_.paths());
  keeper_ = sys::pidfd_open(daemon.keeper);
  work_ = std::move(daemon.client);
  if (!keeper_) throw Error(ErrorCode::unavailable, "pmx-keeper has ended at once");
  add_apps(std::move(apps));
  reconnect();
  start_at_ = Clock::now() + options_.delay;
  wait_and_work();
  finish_output();
  return code_.value_or(0);
}

// Registered first: nothing is printed before all of its readers are there.
void Foreground::add_apps(std::vector<AppSpec> apps) {
  if (!options_.has_files) {
    outputs_ = std::make_unique<AppOutputs>(context_.paths().run_outputs(), options_.format,
                                            printer_, out_, err_);
    for (AppSpec& app : apps) outputs_->take(app);
  }
  std::size_t width = 0;
  for (const std::string& name : names_) width = std::max(width, name.size() + 2);
  printer_.set_label_width(width);
  const auto added = work_->call<protocol::Start>({.apps = std::move(apps), .autostart = false});
  for (const protocol::Start::Outcome& outcome : added.outcomes) {
    if (outcome.error.empty()) continue;
    throw Error(ErrorCode::invalid_spec, fmt::format("[{}] {}", outcome.name, outcome.error),
                outcome.hint);
  }
}

void Foreground::start_apps() {
  while (!waiting_names_.empty()) {
    try {
      work_->call<protocol::Restart>(
          {.target = waiting_names_.front(), .env = std::nullopt, .wait = false});
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unavailable) {
        work_.reset();  // the rest is for the next daemon
        return;
      }
      remark(error.what());
    }
    waiting_names_.erase(waiting_names_.begin());
  }
  phase_ = Phase::running;
  look();
}

void Foreground::wait_and_work() {
  std::vector<pollfd> waiting;
  while (phase_ != Phase::over) {
    // What came together with an answer is in no descriptor any more.
    take_news();
    waiting = {{.fd = signals_.get(), .events = POLLIN, .revents = 0},
               {.fd = keeper_gone_ ? -1 : keeper_.get(), .events = POLLIN, .revents = 0}};
    for (const Outlet* outlet : {&out_, &err_}) {
      const short events = outlet->is_empty() ? short{0} : short{POLLOUT};
      waiting.push_back(
          {.fd = outlet->is_broken() ? -1 : outlet->fd(), .events = events, .revents = 0});
    }
    for (const auto* client : {&list_, &files_, &work_}) {
      if (*client) waiting.push_back({.fd = (*client)->fd(), .events = POLLIN, .revents = 0});
    }
    if (out_.has_room() && err_.has_room())
      waiting.push_back({.fd = view_.event_fd(), .events = POLLIN, .revents = 0});
    if (outputs_) outputs_->add_to(waiting);
    if (::poll(waiting.data(), waiting.size(), time_to_wait()) < 0 && errno != EINTR)
      throw std::system_error(errno, std::generic_category(), "poll");

    on_signals();
    if (waiting[1].revents != 0 || keeper_gone_) on_keeper_end();
    if (phase_ == Phase::over) return;
    const bool has_lost_reader = ((waiting[2].revents | waiting[3].revents) & POLLERR) != 0;
    if ((has_lost_reader || out_.is_broken()) && phase_ <= Phase::running) {
      is_signalled_ = true;
      begin_stop();
    }
    if (out_.has_room() && err_.has_room()) view_.on_ready();
    if (outputs_) {
      outputs_->read();
      outputs_->flush_lines(false);
    }
    if (phase_ == Phase::starting && work_ && Clock::now() >= start_at_) start_apps();
    if (phase_ >= Phase::stopping) continue_stop();
    if (!list_ || !files_ || !work_) reconnect();
    out_.flush();
    err_.flush();
  }
}

int Foreground::time_to_wait() const {
  std::optional<Clock::time_point> next;
  const auto no_later_than = [&next](Clock::time_point time) {
    next = next ? std::min(*next, time) : time;
  };
  const auto now = Clock::now();
  if (phase_ == Phase::starting && work_) no_later_than(start_at_);
  if (!list_ || !files_ || !work_) no_later_than(now + std::chrono::milliseconds(kReconnectEvery));
  if (keeper_gone_) no_later_than(now + std::chrono::milliseconds(kReconnectEvery));
  if (const auto flush = outputs_ ? outputs_->next_flush() : std::nullopt) no_later_than(*flush);
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - now);
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(0, left.count()));
}

// --- Signals and processes ---

void Foreground::on_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGCHLD) {
      reap();
    } else if (number == SIGUSR1 || number == SIGUSR2) {
      forward(signal_name(number));
    } else if (phase_ <= Phase::running) {
      remark(fmt::format("{}: stopping every app", signal_name(number)));
      is_signalled_ = true;
      begin_stop();
    } else {
      remark(fmt::format("{} again: ending what still runs", signal_name(number)));
      forward("SIGKILL");
    }
  }
}

void Foreground::forward(const std::string& signal) {
  if (!list_) return;
  try {
    list_->call<protocol::Signal>({.target = "all", .signal = signal});
    look();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::unavailable) list_.reset();
    if (error.code() != ErrorCode::not_found) remark(error.what());
  }
}

void Foreground::reap() const {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

// In order after a stop or `pmx kill`; if it was killed the daemon makes another one.
void Foreground::on_keeper_end() {
  const bool has_left = ::access(context_.paths().pid_file().c_str(), F_OK) != 0;
  if (UniqueFd successor = find_running_keeper(context_.paths().home())) {
    keeper_ = std::move(successor);
    keeper_gone_.reset();
    return;
  }
  const auto now = Clock::now();
  if (!keeper_gone_) keeper_gone_ = now;
  if (!has_left && now < *keeper_gone_ + kNewKeeperIn) return;
  if (!has_left) {
    remark("pmx-keeper and the daemon have gone; log: " + context_.paths().log());
    code_ = 1;
  }
  phase_ = Phase::over;
}

// --- The list ---

void Foreground::look() {
  if (!list_) return;
  try {
    std::vector<InstanceStatus> instances =
        list_->call<protocol::List>({.target = std::nullopt, .detail = false, .follow = true})
            .instances;
    tell_changes(instances);
    instances_ = std::move(instances);
    if (phase_ == Phase::running && is_over()) {
      code_ = code_of_apps();
      begin_stop();
    }
  } catch (const Error&) {
    list_.reset();
  }
}

void Foreground::take_news() {
  take_log_files();
  try {
    while (list_ && list_->list_has_changed()) look();
  } catch (const Error&) {
    list_.reset();
  }
}

void Foreground::tell_changes(const std::vector<InstanceStatus>& instances) {
  for (const InstanceStatus& one : instances) {
    const std::string state(to_string(one.state));
    std::string& told = told_[one.pm_id];
    // A short run may be over before it was seen.
    const std::string now = fmt::format("{} {} {}", state, one.restarts, one.started_at);
    if (told == now) continue;
    const bool is_first = std::exchange(told, now).empty();
    if (options_.format == LogFormat::json) {
      if (!is_first) printer_.event({one.pm_id, one.name, state, std::chrono::system_clock::now()});
      continue;
    }
    const bool is_news = one.state == InstanceState::errored ||
                         one.state == InstanceState::waiting_restart ||
                         (one.state == InstanceState::stopped && !is_first) || one.restarts > 0;
    if (is_news) remark(fmt::format("[{}]({}) {}: {}", one.name, one.pm_id, state, one.reason));
  }
}

bool Foreground::is_over() {
  const auto all_rest = [this](const std::vector<InstanceStatus>& instances) {
    return std::ranges::all_of(instances, [this](const InstanceStatus& one) {
      return (options_.main_app && one.name != *options_.main_app) || rests(one);
    });
  };
  if (!options_.main_app && !options_.auto_exit) return false;
  if (!all_rest(instances_)) return false;
  // Only the details tell whether an errored one is tried again.
  instances_ = list_->call<protocol::List>({.target = std::nullopt, .detail = true, .follow = true})
                   .instances;
  return all_rest(instances_);
}

std::optional<int> Foreground::code_of_apps() const {
  const std::optional<std::string> main = options_.main_app    ? options_.main_app
                                          : names_.size() == 1 ? std::optional(names_.front())
                                                               : std::nullopt;
  for (const InstanceStatus& one : instances_) {
    if (main && one.name != *main) continue;
    const int code = code_of(one);
    if (code != 0) return main ? code : kCodeOfApps;
  }
  return 0;
}

// --- The end ---

void Foreground::begin_stop() {
  phase_ = Phase::stopping;
  try {
    if (work_) work_->ask<protocol::Stop>({"all"});
  } catch (const Error&) {
    work_.reset();
  }
}

// Every app is stopped, then the daemon forgets them and ends.
void Foreground::continue_stop() {
  if (!work_) return;
  try {
    if (phase_ == Phase::stopping) {
      try {
        if (!work_->answer<protocol::Stop>()) return;
      } catch (const Error& error) {
        if (error.code() == ErrorCode::unavailable) throw;
        if (error.code() != ErrorCode::not_found) remark(error.what());
      }
      if (is_signalled_ && options_.main_app) {
        instances_ = work_->call<protocol::List>({}).instances;
        code_ = code_of_apps();
      }
      phase_ = Phase::ending;
      work_->ask<protocol::Kill>({});
    }
    if (phase_ == Phase::ending) work_->answer<protocol::Kill>();
  } catch (const Error& error) {
    work_.reset();
    if (error.code() != ErrorCode::unavailable) remark(error.what());
  }
}

void Foreground::reconnect() {
  const auto connect = [this] { return Client::connect(context_.paths().socket()); };
  try {
    if (!list_ && (list_ = connect())) look();
    if (!files_ && (files_ = connect()))
      show_files(files_->call<protocol::Logs>({.target = std::nullopt, .follow = true}));
    if (!work_ && (work_ = connect())) {
      // What the daemon before has not finished.
      if (phase_ == Phase::stopping) work_->ask<protocol::Stop>({"all"});
      if (phase_ == Phase::ending) work_->ask<protocol::Kill>({});
    }
  } catch (const Error&) {
    // It is going again: once more in a moment.
  }
}

// --- Output ---

void Foreground::show_files(const protocol::Logs::Response& logs) {
  std::vector<LogFileEntry> entries;
  for (const protocol::Logs::File& file : logs.files) {
    if (outputs_ && outputs_->has(file.path)) continue;
    entries.push_back(
        {file.pm_id, file.name, file.stream == "err" ? LogStream::err : LogStream::out, file.path});
  }
  view_.set_files(std::move(entries));
}

void Foreground::take_log_files() {
  if (!files_) return;
  try {
    if (const auto news = files_->log_news().files) show_files(*news);
  } catch (const Error&) {
    files_.reset();
  }
}

// All that was written before the daemon has ended.
void Foreground::finish_output() {
  view_.set_files({});
  bool is_taken = true;
  bool is_drained = false;
  while (is_taken && !is_drained) {
    is_drained = !outputs_ || !outputs_->read();
    is_taken = out_.finish(kReaderPatience) && err_.finish(kReaderPatience);
  }
  if (outputs_) outputs_->flush_lines(true);
  out_.finish(kReaderPatience);
  err_.finish(kReaderPatience);
  forget_transient_list(context_.paths());
}

void Foreground::remark(const std::string& text) {
  if (!context_.output.silent()) err_.write(fmt::format("[PMX] {}\n", printable(text)));
}

}  // namespace pmx::cli
