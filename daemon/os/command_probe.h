// CommandProbe: runs a shell command in an app's environment and directory, and says whether it
// ended well. The command is a child of the daemon, in a session of its own; what takes too long is
// killed with its process group.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "daemon/ports/prober.h"

namespace pmx {

// As Prober::ask, of a question of kind exec. The text names the exit code, with the last line of
// what the command has said.
std::unique_ptr<PendingProbe> run_command_probe(asio::io_context& io, const ProbeQuestion& question,
                                                std::function<void(const std::string&)> done);

}  // namespace pmx
