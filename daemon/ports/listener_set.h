// ListenerSet: the sockets that an app's instances share. Bound once per app, they outlive
// instances, reloads and (in the keeper's fd store) the daemon.
//
// A socket has a key, which is the identity of the port among the app's (listener_key), and a policy.
// With `slots` every run that asks gets a socket of its own out of one SO_REUSEPORT group, and the
// kernel deals new connections out to the sockets of admitted runs only; with `shared` and `rr` all
// runs get the same one.
//
// Life of a run here: acquire (per key) -> admit -> retire -> leave. Admission and retirement are
// the run's, whatever it acquires before or after. While no run is admitted, connections go to
// those that are not retired, so that a first start loses nothing. Connections in a slot whose run
// has left wait for the next run, which gets that slot first, or for whoever looks after
// unattended().
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/model/app_spec.h"
#include "daemon/ports/spawner.h"

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
  std::optional<mode_t> mode = {};  // Unix path permissions, exactly
  bool readable_all = false;        // or at least
  bool writable_all = false;
  Balance balance = Balance::shared;  // wished; TCP only, other kinds are always shared
  // The program is passed it as it is, and may expect that accept() waits; see ListenResult.
  bool blocking = false;

  friend bool operator==(const ListenRequest&, const ListenRequest&) = default;
};

// The key of a request, the same for every way in which a program asks. `index` counts the asker's
// sockets with port 0, each of which is another port.
std::string listener_key(const ListenRequest& request, std::int64_t index);

struct ListenResult {
  int error = 0;  // positive errno; 0 = `fd` is valid
  // Borrowed: owned by the set, CLOEXEC, bound and (stream) listening. Non-blocking, or as was wished
  // if no other run has it: O_NONBLOCK is of the open file, so one for all who have it.
  int fd = -1;
  Balance balance = Balance::shared;  // as it is
  std::string problem = {};           // more about the error: who holds the port
};

// For display.
struct ListenerStatus {
  std::string key;
  std::string address;  // "tcp 127.0.0.1:3000", "unix /run/x.sock"
  Balance balance = Balance::shared;
  std::string remark;       // why it is not as wished
  int queued = 0;           // connections that nobody has accepted yet
  std::uint64_t reset = 0;  // those that nobody was left for, since the daemon has started
};

class ListenerSet {
 public:
  virtual ~ListenerSet() = default;

  // The socket of `run` under `key`; app, port and group are made on first use. The same run and
  // key get the same socket again.
  virtual ListenResult acquire(std::uint64_t app_id, RunId run, const std::string& key,
                               const ListenRequest& request) = 0;
  // After the daemon was replaced: `run` serves this key already. Without effect if nobody knows it.
  virtual void rejoin(std::uint64_t app_id, RunId run, const std::string& key) = 0;
  // The run closed its server: its slot is free, others get its share.
  virtual void release(std::uint64_t app_id, RunId run, const std::string& key) = 0;

  // It is ready: from now on it gets its share.
  virtual void admit(std::uint64_t app_id, RunId run) = 0;
  // It is to end: no further connections to its slots; what is queued there stays for it.
  virtual void retire(std::uint64_t app_id, RunId run) = 0;
  // It has ended: its slots are free.
  virtual void leave(std::uint64_t app_id, RunId run) = 0;

  // Whether retire() keeps further connections from the run: with `slots`, unless it had to share one.
  [[nodiscard]] virtual bool is_steered(std::uint64_t app_id, RunId run) const = 0;

  // Whether a run of the app is on its way, for which connections may wait. Until told: yes.
  virtual void expect_runs(std::uint64_t app_id, bool expected) = 0;
  [[nodiscard]] virtual bool expects_runs(std::uint64_t app_id) const = 0;
  // A connection of this key was ended, as nobody was left for it.
  virtual void count_reset(std::uint64_t app_id, const std::string& key) = 0;

  // Connections that wait for this run alone: in the accept queues of its slots.
  [[nodiscard]] virtual int queued(std::uint64_t app_id, RunId run) const = 0;
  // Until cleared: connections from this port of a client on this machine reach `run` and nobody
  // else, also while it is not admitted. False: `run` has no slot of its own at `port`.
  virtual bool aim(std::uint64_t app_id, RunId run, int port, std::uint16_t client_port) = 0;
  virtual void clear_aim(std::uint64_t app_id, int port, std::uint16_t client_port) = 0;

  // The TCP ports of the run's sockets; empty if it has none.
  [[nodiscard]] virtual std::vector<int> ports(std::uint64_t app_id, RunId run) const = 0;

  // Sockets of this key from which no run accepts: all free slots, or with `rr` the one socket.
  [[nodiscard]] virtual std::vector<int> unattended(std::uint64_t app_id,
                                                    const std::string& key) const = 0;

  // The runs that get new connections of this key now.
  [[nodiscard]] virtual std::vector<RunId> live(std::uint64_t app_id,
                                                const std::string& key) const = 0;

  // Text that the first worker gave and every later one must get back (TLS ticket keys). Kept with
  // the socket. Empty if none.
  virtual std::string data(std::uint64_t app_id, const std::string& key) const = 0;
  virtual void set_data(std::uint64_t app_id, const std::string& key, const std::string& json) = 0;

  [[nodiscard]] virtual std::vector<ListenerStatus> status(std::uint64_t app_id) const = 0;

  // Closes all sockets of the app and removes its Unix paths.
  virtual void close_app(std::uint64_t app_id) = 0;
};

}  // namespace pmx
