// ActionRunner: has the daemon do things, each over a connection of its own, so that neither the
// screen nor another one waits for it.
#pragma once

#include <poll.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/client.h"
#include "cli/monit/action.h"

namespace pmx::cli::monit {

class ActionRunner {
 public:
  static constexpr std::size_t kMost = 8;  // at once

  struct Outcome {
    std::string text;
    bool is_failure = false;
  };

  explicit ActionRunner(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  void start(Action action);
  // "stopping api (3)", with what the daemon has said about it so far.
  [[nodiscard]] std::vector<std::string> in_progress() const;
  void add_to_poll(std::vector<pollfd>& descriptors) const;
  // Looks at all connections; returns what has ended.
  std::vector<Outcome> on_ready();

 private:
  struct Running {
    Action action;
    Client client;
    std::string progress;
  };

  void ask(const Action& action, Client& client);
  static std::optional<Outcome> outcome_of(Running& running);

  std::string socket_path_;
  std::vector<std::unique_ptr<Running>> running_;
  std::vector<Outcome> refused_;
};

}  // namespace pmx::cli::monit
