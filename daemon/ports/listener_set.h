// ListenerSet: the sockets that an app's instances share. Bound once per app, they outlive
// instances, reloads and (in the keeper's fd store) the daemon.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pmx {

// What a worker asks for; the fields mean what they mean in Node's queryServer (address resolved,
// -1 = absent).
struct ListenRequest {
  enum class Kind { tcp, unix_stream, udp };
  Kind kind = Kind::tcp;
  std::optional<std::string>
      address;     // IP text or absolute path; none: "::" dual-stack, else "0.0.0.0"
  int port = 0;    // 0 = ephemeral
  int family = 4;  // 4 or 6, only with an address
  bool ipv6_only = false;
  bool reuse_address = false;  // UDP only
  int backlog = 511;
  bool readable_all = false;  // Unix path permissions
  bool writable_all = false;

  friend bool operator==(const ListenRequest&, const ListenRequest&) = default;
};

struct ListenResult {
  int error = 0;  // positive errno; 0 = `fd` is valid
  int fd = -1;    // borrowed: owned by the set, non-blocking, CLOEXEC, bound and (stream) listening
};

class ListenerSet {
 public:
  virtual ~ListenerSet() = default;

  // The socket of `app_id` under `key`, made on first use. `key` is the caller's identity for the
  // port (see node_primary.h).
  virtual ListenResult acquire(std::uint64_t app_id, const std::string& key,
                               const ListenRequest& request) = 0;

  // Text that the first worker gave and every later one must get back (TLS ticket keys). Kept with
  // the socket. Empty if none.
  virtual std::string data(std::uint64_t app_id, const std::string& key) const = 0;
  virtual void set_data(std::uint64_t app_id, const std::string& key, const std::string& json) = 0;

  // Closes all sockets of the app and removes its Unix paths.
  virtual void close_app(std::uint64_t app_id) = 0;
};

}  // namespace pmx
