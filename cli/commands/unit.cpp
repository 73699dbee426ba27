// pmx unit: what the systemd units (packaging/systemd) and boot scripts call.
//
// The main process of the unit is a stand-in that ends with the keeper: systemd can end it at a
// restart of the unit without a signal to the keeper, and the daemon may as well have been started
// by an earlier command, outside of the unit.
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "cli/autostart.h"
#include "cli/commands/commands.h"
#include "cli/running_keeper.h"
#include "common/sys/pidfd.h"
#include "common/sys/unix_socket.h"

namespace pmx::cli {
namespace {

// sd_notify(3). Without effect if systemd does not ask for it.
void tell_systemd(const std::string& text) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || path[0] == '\0') return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::min(std::strlen(path), sizeof address.sun_path - 1);
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const auto* where = reinterpret_cast<const sockaddr*>(&address);
  if (::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL, where, size) < 0) {
    throw Error(ErrorCode::unavailable,
                fmt::format("cannot tell systemd ({}): {}", path, std::strerror(errno)));
  }
}

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

int stay_with_keeper(Context& context) {
  const auto pong = context.daemon().call<protocol::Ping>({});
  const UniqueFd keeper = sys::pidfd_open(pong.keeper_pid);
  if (!keeper) {
    throw Error(ErrorCode::unavailable,
                fmt::format("pmx-keeper (pid {}) has just ended", pong.keeper_pid),
                "log: " + context.paths().log());
  }
  tell_systemd(
      fmt::format("READY=1\nSTATUS=pmx {} serves {}", pong.version, context.paths().home()));
  const int beat = watchdog_beat();
  while (!ends_within(keeper, beat)) {
    if (daemon_answers(context, beat) || daemon_answers(context, beat)) tell_systemd("WATCHDOG=1");
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
