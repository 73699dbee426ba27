// The first command starts the daemon, as tmux does; a hundred first commands at once start one.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>

#include "cli/client.h"
#include "common/config/paths.h"

namespace pmx::cli {

struct Connected {
  Client client;
  bool started = false;  // the daemon was started by this call
};

// Connects; if nobody serves the socket: creates the home (0700), takes the lock, looks again and
// starts pmx-keeper from this program's own directory, with what systemd has kept of the last one
// if this is the main process of a unit. Waits at most 30 s for the lock and 20 s
// for the daemon. Throws Error(unavailable) with what the daemon said.
Connected connect_or_start(const Paths& paths);

// The same without starting one; nullopt: none runs. If a keeper lives but its daemon does not
// answer (it starts again, its home was removed), waits for it as above.
std::optional<Client> connect_if_running(
    const Paths& paths, std::chrono::milliseconds within = std::chrono::seconds(20));

// A daemon of `pmx run`: its keeper is our child and ends with us, its list is new and forgotten
// afterwards.
struct ForegroundDaemon {
  Client client;
  pid_t keeper = 0;
};
// Throws Error(already_running) if this home has one, and as above.
ForegroundDaemon start_in_foreground(Paths paths);
// When it has ended.
void forget_transient_list(Paths paths);

}  // namespace pmx::cli
