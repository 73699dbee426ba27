// pmx unit: what the systemd units (packaging/systemd) and boot scripts call.
//
// The main process of the unit is a stand-in that ends with the keeper: systemd can end it at a
// restart of the unit without a signal to the keeper, and the daemon may as well have been started
// by an earlier command, outside of the unit.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>

#include "cli/autostart.h"
#include "cli/commands/commands.h"
#include "cli/running_keeper.h"
#include "cli/unit_store.h"
#include "common/sys/pidfd.h"
#include "common/sys/unix_socket.h"

namespace pmx::cli {
namespace {

constexpr int kForEver = -1;

bool ends_within(const UniqueFd& process, int milliseconds) {
  pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
  int polled = 0;
  while ((polled = ::poll(&ended, 1, milliseconds)) < 0 && errno == EINTR) {
  }
  return polled > 0;
}

// A third of the time in which systemd wants to hear of us, in milliseconds; kForEver: it does not ask.
int watchdog_beat() {
  const char* time = std::getenv("WATCHDOG_USEC");
  const char* process = std::getenv("WATCHDOG_PID");
  if (process != nullptr && std::atoi(process) != ::getpid()) return kForEver;
  const long microseconds = time == nullptr ? 0 : std::atol(time);
  return microseconds <= 0 ? kForEver : static_cast<int>(std::max(microseconds / 3000, 1000L));
}

// The daemon's control thread never waits for anything: one that does not answer is stuck. Its end
// costs the apps nothing, and its keeper starts the next one.
void end_stuck_daemon(Context& context, pid_t daemon) {
  context.output.error(fmt::format("the daemon (pid {}) does not answer: it is killed", daemon),
                       "the apps run on; log: " + context.paths().log());
  const UniqueFd process = sys::pidfd_open(daemon);
  if (process && is_of_owner(daemon, context.paths().home()))
    sys::pidfd_signal(process.get(), SIGKILL);
}

bool daemon_answers(Context& context, int milliseconds) {
  pid_t daemon = 0;
  try {
    std::optional<Client> client = connect_if_running(context.paths());
    if (!client) return false;
    daemon = sys::peer_pid(client->fd());
    client->limit_waiting(std::chrono::milliseconds(milliseconds));
    client->call<protocol::Ping>({});
    return true;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::timeout && daemon > 0) {
      end_stuck_daemon(context, daemon);
    } else {
      context.output.error(error);
    }
  }
  return false;
}

// Has the daemon connect to the store. What the store lacks is no harm while keeper or daemon live.
void connect_store(Context& context) {
  try {
    std::optional<Client> client = connect_if_running(context.paths());
    if (client) client->call<protocol::UnitStore>({});
  } catch (const Error& error) {
    // A daemon of before this was there knows nothing of it.
    if (error.code() != ErrorCode::unknown_method) context.output.error(error);
  }
}

// If systemd cannot be told any more, there is nothing to be stored.
void handle(Context& context, std::optional<UnitStore>& store) {
  const bool was_connected = store->is_connected();
  try {
    store->handle();
  } catch (const Error& error) {
    context.output.error(error);
    store.reset();
    return;
  }
  // The daemon has ended: its successor is asked as soon as it serves.
  if (was_connected && !store->is_connected()) connect_store(context);
}

int stay_with_keeper(Context& context) {
  const SystemdNotifier systemd;
  std::optional<UnitStore> store;
  // Before the daemon is started: what was stored is known by its names as long as it is not closed.
  if (systemd.is_listening()) {
    context.paths().ensure_home();
    store.emplace(context.paths().unit_socket(), systemd);
  }
  const auto pong = context.daemon().call<protocol::Ping>({});
  close_stored_descriptors();
  const UniqueFd keeper = sys::pidfd_open(pong.keeper_pid);
  if (!keeper) {
    throw Error(ErrorCode::unavailable,
                fmt::format("pmx-keeper (pid {}) has just ended", pong.keeper_pid),
                "log: " + context.paths().log());
  }
  systemd.tell(
      fmt::format("READY=1\nSTATUS=pmx {} serves {}", pong.version, context.paths().home()));
  const int beat = watchdog_beat();
  auto next_beat = std::chrono::steady_clock::now() + std::chrono::milliseconds(beat);
  if (store) connect_store(context);
  for (;;) {
    std::array<pollfd, 2> events{
        pollfd{.fd = keeper.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = store ? store->fd() : -1, .events = POLLIN, .revents = 0}};
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(next_beat - std::chrono::steady_clock::now());
    const int wait =
        beat == kForEver ? kForEver : static_cast<int>(std::max<long>(left.count(), 0));
    const int polled = ::poll(events.data(), events.size(), wait);
    if (polled < 0 && errno == EINTR) continue;
    if (events[0].revents != 0) break;
    if (events[1].revents != 0) {
      handle(context, store);
      continue;
    }
    if (daemon_answers(context, beat) || daemon_answers(context, beat)) systemd.tell("WATCHDOG=1");
    if (store && !store->is_connected()) connect_store(context);
    next_beat = std::chrono::steady_clock::now() + std::chrono::milliseconds(beat);
  }
  context.output.remark(fmt::format("pmx-keeper (pid {}) has ended", pong.keeper_pid));
  return 0;
}

// Not what `pmx kill` does: that forgets the apps.
int end_keeper(Context& context) {
  const UniqueFd keeper = find_running_keeper(context.paths().home());
  if (!keeper) return 0;
  if (!sys::pidfd_signal(keeper.get(), SIGTERM) && errno != ESRCH) {
    throw Error(ErrorCode::permission,
                fmt::format("may not signal the keeper of {}", context.paths().home()));
  }
  ends_within(keeper, kForEver);
  return 0;
}

}  // namespace

int run_unit(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  arguments.words("run|start|stop", words, 1, 1);
  context.parse(arguments);
  if (words.front() == "run") return stay_with_keeper(context);
  if (words.front() == "start") {
    context.daemon();
    return 0;
  }
  if (words.front() == "stop") return end_keeper(context);
  throw UsageError(fmt::format("unknown word \"{}\"", words.front()), "run, start or stop");
}

}  // namespace pmx::cli
