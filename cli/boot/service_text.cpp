#include "cli/boot/service_text.h"

#include <fmt/format.h>

#include <string_view>

#include "cli/boot/unit_template.h"
#include "common/base/error.h"
#include "common/base/text.h"

namespace pmx::cli {
namespace {

void check(const char* what, const std::string& text) {
  if (!has_control(text) && text.find_first_of("\"'\\$%`") == std::string::npos) return;
  throw Error(ErrorCode::invalid_spec,
              fmt::format("{} {} has a quotation mark, \\, $, % or a control character: a service "
                          "file cannot name it",
                          what, text),
              "move it to a plain path");
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

void remove_line(std::string& text, std::string_view begin) {
  const std::size_t at = text.find("\n" + std::string(begin));
  if (at != std::string::npos) text.erase(at, text.find('\n', at + 1) - at);
}

std::string systemd_unit(const BootService& service) {
  std::string text = kUserUnit;
  text.erase(0, text.find("[Unit]"));
  const std::string program = '"' + service.program + '"';
  replace_all(text, "=pmx ", "=" + program + " ");
  replace_all(text, "exec pmx ", "exec " + program + " ");
  const std::string home = fmt::format("Environment=\"PMX_HOME={}\"", service.home);
  replace_all(text, "User=%i", "User=%i\n" + home);
  replace_all(text, "%i", service.user);
  if (service.wait_for_network)
    replace_all(text, "After=network.target",
                "Wants=network-online.target\nAfter=network-online.target");
  if (service.of_user_manager) {
    // What only the system's manager has: its targets, other users, the right to be spared.
    for (const char* line : {"After=", "User=", "OOMScoreAdjust="}) remove_line(text, line);
    replace_all(text, "=+/bin/sh", "=/bin/sh");
    replace_all(text, "systemctl list-jobs", "systemctl --user list-jobs");
    replace_all(text, "multi-user.target", "default.target");
  }
  return fmt::format(
      "# Written by `pmx startup`, removed by `pmx unstartup`. Brings back the apps of {} at "
      "boot.\n{}",
      service.home, text);
}

constexpr const char* kFunctions = R"(
# As the user whose apps they are.
pmx() {{
  su -s /bin/sh {user} -c "PMX_HOME='{home}' exec '{program}' $*"
}}
)";

constexpr const char* kOpenrcScript = R"(#!/sbin/openrc-run
# Written by `pmx startup`, removed by `pmx unstartup`.
description="pmx, process manager of {user}"
extra_started_commands="reload"
description_reload="the installed daemon takes over; apps are not touched"

depend() {{
  need localmount
  {network} net
  use dns logger
  after bootmisc firewall
}}
{functions}
start() {{
  ebegin "Starting the apps of {user}"
  pmx unit start
  eend $?
}}

# At a restart of the service the daemon is replaced, and the apps run on.
stop() {{
  if [ "$RC_CMD" = restart ]; then
    ebegin "Replacing the daemon of {user}"
    pmx update
  else
    ebegin "Stopping the apps of {user}"
    pmx unit stop
  fi
  eend $?
}}

reload() {{
  ebegin "Replacing the daemon of {user}"
  pmx update
  eend $?
}}

status() {{
  pmx ping || return 3
}}
)";

constexpr const char* kSysvScript = R"(#!/bin/sh
### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:    $remote_fs $network
# Required-Stop:     $remote_fs $network
# Should-Start:      $named $syslog
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: pmx, process manager of {user}
### END INIT INFO
# chkconfig: 2345 95 05
# description: pmx, process manager of {user}
# Written by `pmx startup`, removed by `pmx unstartup`.
{functions}
case "$1" in
  start) pmx unit start ;;
  stop) pmx unit stop ;;
  # The installed daemon takes over; apps are not touched.
  restart | reload | force-reload) pmx unit start && pmx update ;;
  status) pmx ping || exit 3 ;;
  *)
    echo "usage: $0 start|stop|restart|reload|force-reload|status" >&2
    exit 2
    ;;
esac
)";

std::string init_script(const char* script, const BootService& service) {
  const std::string functions =
      fmt::format(kFunctions, fmt::arg("user", service.user), fmt::arg("home", service.home),
                  fmt::arg("program", service.program));
  return fmt::format(fmt::runtime(script), fmt::arg("name", service.name),
                     fmt::arg("user", service.user), fmt::arg("functions", functions),
                     fmt::arg("network", service.wait_for_network ? "need" : "use"));
}

}  // namespace

std::string service_text(InitSystem init, const BootService& service) {
  check("the home", service.home);
  check("the program", service.program);
  check("the user", service.user);
  switch (init) {
    case InitSystem::systemd:
      return systemd_unit(service);
    case InitSystem::openrc:
      return init_script(kOpenrcScript, service);
    case InitSystem::sysv:
      break;
  }
  return init_script(kSysvScript, service);
}

}  // namespace pmx::cli
