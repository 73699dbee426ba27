// LogFollower: what comes from the processes of some targets as it comes: lines of their log files,
// and events. The daemon says which files, the files are read here; a daemon that goes away and comes
// back is not noticed by who reads lines.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/log_view/log_view.h"
#include "common/protocol/commands.h"

namespace pmx::cli {

struct LogWish {
  std::vector<std::string> targets;  // none: everything
  bool out = true;
  bool err = true;
  bool events = false;
  bool messages = false;   // with events
  std::string daemon_log;  // path
  std::optional<LogTime> until;
};

class LogFollower {
 public:
  // May be empty.
  struct Handlers {
    std::function<void(const protocol::Logs::Events&)> on_events = {};
    // The connection to the daemon: events are missed from now on; until there is one again.
    std::function<void()> on_lost = {};
    std::function<void()> on_again = {};
  };

  // `follow`: run() comes later. Starts a daemon if there is none. Throws Error: not_found.
  LogFollower(Context& context, LogWish wish, bool follow);

  [[nodiscard]] std::vector<LogFileEntry> files() const;
  // Until a signal, the last time that is wanted, or the end of who reads stdout. `view`: shows the
  // lines; borrowed, nullptr: nobody does.
  void run(LogView* view, const Handlers& handlers);

 private:
  // The log files of one target, and the connection that tells when they change.
  struct Source {
    std::optional<std::string> target;
    std::optional<Client> client;
    std::vector<protocol::Logs::File> files;
  };

  void ask(Source& source, bool follow) const;
  void take_news(LogView* view, const Handlers& handlers);
  void reconnect(const Handlers& handlers);
  // For poll(2): milliseconds; nullopt: the last time that is wanted is over.
  [[nodiscard]] std::optional<int> patience(bool all_connected) const;
  [[nodiscard]] bool with_daemon() const;
  [[nodiscard]] bool all_connected() const;

  Context& context_;
  LogWish wish_;
  std::vector<Source> sources_;
  bool daemon_named_ = false;  // its own log is wanted
  bool reconnected_ = false;
  std::chrono::steady_clock::time_point next_reconnect_;
};

}  // namespace pmx::cli
