// pmx unit: what the systemd units (packaging/systemd) and boot scripts call.
//
// The main process of the unit is a stand-in that ends with the keeper: systemd can end it at a
// restart of the unit without a signal to the keeper, and the daemon may as well have been started
// by an earlier command, outside of the unit.
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "cli/commands/commands.h"
#include "cli/running_keeper.h"
#include "common/sys/pidfd.h"

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

void wait_for_end(const UniqueFd& process) {
  pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
  while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
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
  wait_for_end(keeper);
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
  wait_for_end(keeper);
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
