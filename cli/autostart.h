// The first command starts the daemon, as tmux does; a hundred first commands at once start one.
#pragma once

#include <optional>

#include "cli/client.h"
#include "common/config/paths.h"

namespace pmx::cli {

struct Connected {
  Client client;
  bool started = false;  // the daemon was started by this call
};

// Connects; if nobody serves the socket: creates the home (0700), takes the lock, looks again and
// starts pmx-keeper from this program's own directory. Waits at most 30 s for the lock and 20 s
// for the daemon. Throws Error(unavailable) with what the daemon said.
Connected connect_or_start(const Paths& paths);

// The same without starting one; nullopt: none runs. If a keeper lives but its daemon does not
// answer (it starts again, its home was removed), waits for it as above.
std::optional<Client> connect_if_running(const Paths& paths);

}  // namespace pmx::cli
