// pmx ping and kill: the two commands that never start a daemon.
#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/running_keeper.h"
#include "common/sys/pidfd.h"

namespace pmx::cli {
namespace {

constexpr std::chrono::seconds kAnswersWithin{5};
constexpr int kEndWithin = 5000;  // milliseconds
constexpr std::chrono::seconds kDaemonComesWithin{3};
constexpr int kKeeperRequests = 2;
constexpr int kKeeperEndsWithin = 5000;  // milliseconds

// So that the next command does not meet a daemon that is going.
void wait_for_end(pid_t pid) {
  const UniqueFd process = sys::pidfd_open(pid);
  if (!process) return;
  pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
  while (::poll(&ended, 1, kEndWithin) < 0 && errno == EINTR) {
  }
}

// A keeper whose daemon does not come up: nobody else could end it.
void end_keeper(Context& context) {
  const UniqueFd keeper = find_running_keeper(context.paths().home());
  if (!keeper) return;
  for (int i = 0; i < kKeeperRequests; ++i) {  // the second one is for a daemon that is not ready
    sys::pidfd_signal(keeper.get(), SIGTERM);
    pollfd ended{.fd = keeper.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ended, 1, kKeeperEndsWithin) > 0) {
      context.output.info("a keeper whose daemon did not start has been ended");
      return;
    }
  }
  throw Error(ErrorCode::timeout, "pmx-keeper does not end", "log: " + context.paths().log());
}

}  // namespace

int run_ping(Context& context, Arguments& arguments) {
  context.parse(arguments);
  Client* daemon = context.running_daemon();
  if (daemon == nullptr) {
    throw Error(ErrorCode::unavailable,
                fmt::format("no daemon runs for {}", context.paths().home()),
                "any other command starts one, e.g. pmx list");
  }
  daemon->limit_waiting(kAnswersWithin);
  const auto pong = daemon->call<protocol::Ping>({});
  if (context.global.json) {
    context.output.data("daemon", nlohmann::json(pong).dump());
  } else {
    context.output.payload(fmt::format("pong: pmx {}, daemon {}, keeper {}\n", pong.version,
                                       pong.daemon_pid, pong.keeper_pid));
  }
  return 0;
}

int run_kill(Context& context, Arguments& arguments) {
  context.parse(arguments);
  Client* daemon = nullptr;
  try {
    daemon = context.running_daemon(true, kDaemonComesWithin);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unavailable) throw;
    end_keeper(context);
    return 0;
  }
  if (daemon == nullptr) {
    context.output.info(fmt::format("no daemon runs for {}", context.paths().home()));
    return 0;
  }
  const auto killed = daemon->call<protocol::Kill>({});
  wait_for_end(killed.daemon_pid);
  wait_for_end(killed.keeper_pid);
  context.output.info(fmt::format("daemon {} stopped, with {} running {}", killed.daemon_pid,
                                  killed.stopped, killed.stopped == 1 ? "app" : "apps"));
  return 0;
}

}  // namespace pmx::cli
