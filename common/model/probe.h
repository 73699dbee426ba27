// A question by which it is found out whether an instance is ready, or well.
//
//   tcp:8080   tcp:HOST:8080          it accepts a connection
//   http://HOST:8080/path             it answers GET with a status from 200 to 399
//   unix:/absolute/path               it accepts a connection
//   exec:COMMAND                      `sh -c COMMAND` in its directory and environment ends with 0
//   notify                            it says so itself: sd_notify(3). As a health check: WATCHDOG=1
//
// and of readiness only:
//   listen                            it listens on a port that pmx shares among instances
//   message                           it sends "ready" on its channel, as with pm2's wait_ready
//   fd:N                              it writes a line to its descriptor N
//   log:TEXT                          TEXT appears in its log files
//
// HOST is an IP address or localhost (127.0.0.1, also if it is left out). $NAME and
// ${NAME} are variables of the instance.
#pragma once

#include <string>

#include "common/model/app_spec.h"

namespace pmx {

struct Probe {
  enum class Kind { tcp, http, unix_stream, exec, notify, listen, message, fd, log };
  // Descriptors that can be asked for: above the standard ones, below what the daemon needs itself.
  static constexpr int kLowestFd = 3;
  static constexpr int kHighestFd = 31;

  Kind kind = Kind::listen;
  std::string host;  // tcp, http: IP text, without the brackets of IPv6
  int port = 0;      // tcp, http
  std::string
      path;  // http: the request target; unix_stream: the path; exec: the command; log: the text
  int fd = -1;

  friend bool operator==(const Probe&, const Probe&) = default;
};

enum class ProbeUse { ready, health };

// Throws Error(invalid_spec): what is wrong with `text`, and what is possible. `env` is the
// instance's.
Probe parse_probe(const std::string& text, ProbeUse use, const Env& env);

// "GET http://127.0.0.1:8080/health", for messages.
std::string describe(const Probe& probe);

}  // namespace pmx
