// pmx update: the daemon is replaced by the one that is installed now; apps are not touched.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>

#include "cli/autostart.h"
#include "cli/commands/commands.h"
#include "cli/running_keeper.h"
#include "common/base/build_info.h"
#include "common/sys/pidfd.h"

namespace pmx::cli {
namespace {

constexpr int kEndWithin = 20000;  // milliseconds; it writes its list before

// Where a process' program is; empty: not ours to know.
std::string program_of(pid_t pid) {
  std::array<char, PATH_MAX> buffer{};
  const std::string link = fmt::format("/proc/{}/exe", pid);
  const ssize_t length = ::readlink(link.c_str(), buffer.data(), buffer.size());
  return length <= 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(length));
}

bool ends_within(const UniqueFd& process, int milliseconds) {
  pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
  int polled = 0;
  while ((polled = ::poll(&ended, 1, milliseconds)) < 0 && errno == EINTR) {
  }
  return polled > 0;
}

void end_for_successor(pid_t pid, const std::string& home) {
  const UniqueFd process = sys::pidfd_open(pid);
  if (!process) return;
  const bool is_told = is_of_owner(pid, home) && sys::pidfd_signal(process.get(), SIGUSR1);
  if (!is_told && !ends_within(process, 0)) {
    throw Error(ErrorCode::permission,
                fmt::format("cannot signal process {}, the daemon of {}", pid, home),
                "run this as the user whose home it is");
  }
  if (!ends_within(process, kEndWithin)) {
    throw Error(
        ErrorCode::timeout,
        fmt::format("the daemon (pid {}) did not make room within {} s", pid, kEndWithin / 1000),
        fmt::format("kill -9 {} costs the apps nothing", pid));
  }
}

}  // namespace

int run_update(Context& context, Arguments& arguments) {
  context.parse(arguments);
  Client* daemon = context.running_daemon(true);
  if (daemon == nullptr) {
    context.output.info(fmt::format("no daemon runs for {}: the next command starts version {}",
                                    context.paths().home(), kVersion));
    return 0;
  }
  const auto before = daemon->call<protocol::Ping>({});
  end_for_successor(before.daemon_pid, context.paths().home());
  std::optional<Client> successor = connect_if_running(context.paths());
  if (!successor) {
    throw Error(ErrorCode::unavailable, "the daemon has ended, and its keeper too",
                "any command starts them again, e.g. pmx list; log: " + context.paths().log());
  }
  const auto after = successor->call<protocol::Ping>({});
  context.output.info(fmt::format("daemon {} ({}) replaced by {} ({}); the apps run on",
                                  before.daemon_pid, before.version, after.daemon_pid,
                                  after.version));
  if (after.version == kVersion) return 0;
  context.output.error(
      fmt::format("this is pmx {}, but the daemon is {} ({})", kVersion, after.version,
                  program_of(after.daemon_pid)),
      "its keeper was started from another installation: call that one's pmx, or `pmx save`, "
      "`pmx kill` and `pmx resurrect`");
  return 1;
}

}  // namespace pmx::cli
