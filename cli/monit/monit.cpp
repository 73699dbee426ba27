#include "cli/monit/monit.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>
#include <vector>

#include "cli/monit/action_runner.h"
#include "cli/monit/draw.h"
#include "cli/monit/feed.h"
#include "cli/monit/log_tail.h"
#include "cli/monit/model.h"
#include "cli/monit/terminal.h"
#include "common/base/unique_fd.h"

namespace pmx::cli::monit {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRefresh = std::chrono::milliseconds(1000);
// What comes by itself is shown at most so often; keys at once.
constexpr auto kLogPause = std::chrono::milliseconds(100);

// Blocked from here on: read in the loop, none interrupts anything.
UniqueFd take_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP})
    ::sigaddset(&signals, number);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw std::system_error(errno, std::generic_category(), "signalfd");
  return fd;
}

class Monit {
 public:
  explicit Monit(const Options& options)
      : now_(options.now),
        signals_(take_signals()),
        terminal_(options.colours),
        tail_(model_.logs()),
        feed_(options.socket_path),
        runner_(options.socket_path) {
    model_.set_order(options.order);
    model_.set_size(terminal_.size());
  }

  void run() {
    tick();
    while (!model_.wants_to_quit() && !is_ended_) {
      terminal_.show(draw(model_, now_()));
      wait();
    }
  }

 private:
  void wait();
  void tick();
  void take_input();
  void take_signal();
  void take_news();
  void take_outcomes();

  WallMillis (*now_)();
  UniqueFd signals_;
  Terminal terminal_;
  Model model_;
  LogTail tail_;
  Feed feed_;
  ActionRunner runner_;
  Clock::time_point next_tick_;
  Clock::time_point next_logs_;
  bool is_ended_ = false;
};

void Monit::wait() {
  const auto now = Clock::now();
  const bool may_show_logs = now >= next_logs_;
  auto until = next_tick_;
  if (!may_show_logs) until = std::min(until, next_logs_);
  std::vector<pollfd> waiting = {
      {STDIN_FILENO, POLLIN, 0},
      {signals_.get(), POLLIN, 0},
      {feed_.fd(), POLLIN, 0},  // poll(2) skips -1
      {may_show_logs ? tail_.fd() : -1, POLLIN, 0},
  };
  runner_.add_to_poll(waiting);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
  const int timeout = static_cast<int>(std::max<long>(left, 0));
  if (::poll(waiting.data(), waiting.size(), timeout) < 0 && errno != EINTR)
    throw std::system_error(errno, std::generic_category(), "poll");
  if (waiting[1].revents != 0) take_signal();
  if ((waiting[0].revents & POLLIN) != 0) take_input();
  // The terminal has gone.
  if ((waiting[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) is_ended_ = true;
  if (waiting[2].revents != 0) feed_.on_ready();
  if (waiting[3].revents != 0) {
    next_logs_ = Clock::now() + kLogPause;
    tail_.on_ready();
  }
  take_outcomes();
  if (Clock::now() >= next_tick_) tick();
  take_news();
}

void Monit::tick() {
  const auto now = Clock::now();
  next_tick_ = now + kRefresh;
  feed_.ask(now);
  tail_.tick();
}

void Monit::take_input() {
  while (const std::optional<Input> input = terminal_.next_input()) {
    model_.handle(*input);
    if (std::optional<Action> action = model_.take_action()) runner_.start(std::move(*action));
    if (model_.wants_to_quit()) return;
  }
}

void Monit::take_signal() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    switch (static_cast<int>(info.ssi_signo)) {
      case SIGWINCH:
        terminal_.take_new_size();
        break;
      case SIGTSTP:
        terminal_.suspend();
        break;
      default:
        is_ended_ = true;
    }
  }
  model_.set_size(terminal_.size());
}

void Monit::take_outcomes() {
  const auto outcomes = runner_.on_ready();
  for (const ActionRunner::Outcome& outcome : outcomes)
    model_.say(outcome.text, outcome.is_failure ? Colour::red : Colour::green);
  model_.set_in_progress(runner_.in_progress());
  if (!outcomes.empty()) tick();
}

void Monit::take_news() {
  model_.set_problem(feed_.problem());
  if (auto instances = feed_.take_instances()) model_.set_instances(std::move(*instances));
  if (const auto detail = feed_.take_detail()) {
    model_.set_detail(*detail, now_());
    const InstanceStatus* shown = model_.selected();
    if (shown != nullptr && shown->pm_id == detail->pm_id && detail->detail)
      tail_.set_files(detail->pm_id, detail->detail->out_path, detail->detail->error_path);
  }
  if (const InstanceStatus* one = model_.selected()) {
    const auto target = on_instance(Verb::restart, *one, model_.list().all());
    feed_.want_detail(one->pm_id, target ? target->target : one->name);
  } else {
    tail_.set_files(-1, {}, {});
  }
}

}  // namespace

void run(const Options& options) { Monit(options).run(); }

}  // namespace pmx::cli::monit
