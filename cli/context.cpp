#include "cli/context.h"

#include <unistd.h>

#include <algorithm>

#include "cli/autostart.h"
#include "cli/render/list_table.h"
#include "cli/system_instance.h"

namespace pmx::cli {
namespace {

constexpr int kDaemonEndsWithin =
    2000;  // milliseconds; one that lives on is asked again all the same

}  // namespace

void Context::parse(Arguments& arguments) {
  arguments.parse();
  output.set_silent(global.silent);
  if (global.no_color) output.forbid_colours();
  if (global.system) enter_system_instance();
}

const Paths& Context::paths() {
  if (!paths_) paths_ = Paths::from_environment();
  return *paths_;
}

std::optional<Client> Context::connect_system() {
  try {
    return connect_if_running(paths());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::permission) throw;
    throw Error(ErrorCode::permission, error.what(),
                "for root and members of the group pmx: sudo pmx --system ...");
  }
}

Client& Context::daemon() {
  if (!client_ && global.system) {
    client_ = connect_system();
    // A daemon of its service only: one that a command starts would live in that command's session.
    if (!client_)
      throw Error(ErrorCode::unavailable, "the system instance does not run",
                  "systemctl start pmx; at every boot: systemctl enable --now pmx");
  }
  if (!client_) {
    Connected connected = connect_or_start(paths());
    client_ = std::move(connected.client);
    if (connected.started) output.remark("daemon started");
  }
  return *client_;
}

Client* Context::running_daemon(bool wait, std::chrono::milliseconds within) {
  if (!client_ && global.system) client_ = connect_system();
  if (!client_)
    client_ = wait ? connect_if_running(paths(), within) : Client::connect(paths().socket());
  return client_ ? &*client_ : nullptr;
}

protocol::List::Response Context::ask(const protocol::List::Request& request) {
  Client& first = daemon();
  try {
    return warned(first.call<protocol::List>(request));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unavailable) throw;
  }
  first.await_end_of_daemon(kDaemonEndsWithin);
  client_.reset();
  return warned(daemon().call<protocol::List>(request));
}

protocol::List::Response Context::warned(protocol::List::Response response) {
  if (!response.problem.empty() && response.problem != told_problem_) {
    told_problem_ = response.problem;
    output.warn("changes are not remembered: " + response.problem);
  }
  return response;
}

std::vector<InstanceStatus> Context::find(const std::string& target, bool detail) {
  try {
    return ask({.target = target, .detail = detail}).instances;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    return {};
  }
}

std::vector<InstanceStatus> Context::list_all(bool detail) {
  return ask({.target = std::nullopt, .detail = detail}).instances;
}

void Context::show_list() {
  if (output.silent() || output.is_json()) return;
  std::vector<InstanceStatus> instances = list_all();
  sort_instances(instances, "name");
  output.list(instances);
}

Env current_environment() {
  Env env;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    env.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return env;
}

}  // namespace pmx::cli
