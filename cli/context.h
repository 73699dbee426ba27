// What a command works with: the home's paths, the output and the connection to the daemon.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/output.h"
#include "common/config/paths.h"

namespace pmx::cli {

class Context {
 public:
  explicit Context(const Output& terminal) : output(terminal) {}

  Output output;
  GlobalOptions global;

  // parse() of `arguments`, and what follows from the global options.
  void parse(Arguments& arguments);

  // Paths of this home. Throws Error if PMX_HOME is not usable.
  const Paths& paths();
  // Connects at the first call, starting a daemon if there is none.
  Client& daemon();
  // The same without starting one. `wait`: for one that is just (re)starting.
  Client* running_daemon(bool wait = false,
                         std::chrono::milliseconds within = std::chrono::seconds(20));
  // The next question connects anew.
  void disconnect() { client_.reset(); }
  // Empty if nothing matches.
  std::vector<InstanceStatus> find(const std::string& target, bool detail = false);
  std::vector<InstanceStatus> list_all(bool detail = false);
  // The closing table of commands that change something.
  void show_list();

 private:
  // To the machine's own instance; empty: it does not run.
  std::optional<Client> connect_system();
  // Asks again, once, if the daemon dies before it answers: a question changes nothing.
  protocol::List::Response ask(const protocol::List::Request& request);
  // Tells of a problem that comes with it, once.
  protocol::List::Response warned(protocol::List::Response response);

  std::optional<Paths> paths_;
  std::optional<Client> client_;
  std::string told_problem_;
};

// The present environment, for --update-env.
Env current_environment();

}  // namespace pmx::cli
