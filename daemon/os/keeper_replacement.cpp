#include "daemon/os/keeper_replacement.h"

#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "daemon/keeper/link_io.h"

namespace pmx {
namespace {

constexpr int kChildFd = 3;
constexpr int kTakenWithinMs = 5000;

// Blocks until the keeper at the other end has taken them. False: it did not.
bool hand_over(int link, const KeeperSlots& slots) {
  for (const auto& [id, slot] : slots) {
    keeper::Message message = store_message(id, slot);
    const std::vector<int> fds = add_fds(message, slot);
    for (;;) {
      const keeper::LinkResult sent =
          keeper::send_message(link, message, fds.data(), static_cast<int>(fds.size()));
      if (sent == keeper::LinkResult::done) break;
      pollfd room{.fd = link, .events = POLLOUT, .revents = 0};
      if (sent != keeper::LinkResult::would_block || ::poll(&room, 1, kTakenWithinMs) <= 0)
        return false;
    }
  }
  return true;
}

}  // namespace

bool replace_keeper(const KeeperSlots& slots, const KeeperCommand& command) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) return false;
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);

  std::string keeper = command.keeper;
  std::string home = command.home;
  std::string daemon = command.daemon;
  std::string home_flag = "--home";
  std::string daemon_flag = "--daemon";
  std::string link_flag = "--link-fd";
  std::string link_number = std::to_string(kChildFd);
  std::array<char*, 8> argv{keeper.data(), home_flag.data(), home.data(),        daemon_flag.data(),
                            daemon.data(), link_flag.data(), link_number.data(), nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), kChildFd);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, keeper.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return false;
  // It goes to the background by itself; what we started ends at once.
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return false;
  if (!hand_over(ours.get(), slots)) return false;
  // Open until this process ends: its end is the signal to start the next daemon.
  (void)ours.release();
  return true;
}

}  // namespace pmx
