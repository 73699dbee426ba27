// A socket that is bound for an app and passed to it: what a line of `listen` says.
//
//   tcp:127.0.0.1:8080   tcp:[::1]:8080   tcp:*:8080 (all addresses, IPv4 and IPv6)   tcp:8080 (the same)
//   udp:...              likewise
//   unix:/absolute/path
//
// and after a "?", joined by "&":
//   backlog=N    connections that may wait (511)
//   mode=0660    permissions of a Unix path (as the daemon's umask leaves them)
//   name=TEXT    its name in LISTEN_FDNAMES (the app's name)
//   as=nginx | einhorn   announced as these programs expect it, too
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace pmx {

struct DeclaredSocket {
  enum class Kind { tcp, udp, unix_stream };
  enum class Announce { systemd, nginx, einhorn };
  static constexpr std::size_t kMostPerApp = 32;

  Kind kind = Kind::tcp;
  std::optional<std::string> address;  // IP text or path; none: all addresses
  int port = 0;
  bool ipv6 = false;  // of `address`
  int backlog = 511;
  std::optional<mode_t> mode;
  std::string name;  // may be empty
  Announce announce = Announce::systemd;

  friend bool operator==(const DeclaredSocket&, const DeclaredSocket&) = default;
};

// Throws Error(invalid_spec): what is wrong with `text`, and what is possible.
DeclaredSocket parse_declared_socket(const std::string& text);

}  // namespace pmx
