// The primary's side of Node's cluster protocol for one worker, that is one run of an instance:
// gives it the app's listening sockets, passes messages, asks it to end.
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "common/base/unique_fd.h"
#include "daemon/cluster/connection_handout.h"
#include "daemon/cluster/node_channel.h"
#include "daemon/cluster/node_frames.h"
#include "daemon/ports/listener_set.h"
#include "daemon/ports/worker_channel.h"

namespace pmx {

// All optional. Each but on_snapshot_changed and on_problem may destroy the NodePrimary. Text is valid during the
// call only.
struct WorkerEvents {
  std::function<void()> on_online;  // the runtime is up, user code about to run
  std::function<void(std::string_view address, int port)>
      on_listening;                                       // a server is up; port 0: Unix path
  std::function<void(std::string_view json)> on_message;  // process.send(): raw JSON, one line
  std::function<void(std::string_view reason)>
      on_closed;  // last event. After disconnect(): all work is done
  std::function<void()>
      on_drained;  // after disconnect(true): all work is done, the channel is open
  std::function<void()> on_snapshot_changed;  // also from within disconnect()
  // Why it does not get a socket ("port 3000 is held by process 12: nginx"), or why pmx does not
  // take what it sent: for people.
  std::function<void(const std::string& text)> on_problem;
};

class NodePrimary : private ConnectionTaker {
 public:
  static constexpr std::size_t kMaxServers = 256;  // open in one worker
  static constexpr std::size_t kMaxSnapshotBytes = 384;
  // A daemon that adopts a worker counts its frames from adoptions * this, above all that its
  // predecessors have sent.
  static constexpr std::int64_t kSequenceStep = 1'000'000;

  // Takes the daemon's end of the worker's channel; `listeners` and `handout` must live longer. A worker of
  // `identity.cluster` was started with NODE_UNIQUE_ID; of others only user messages pass. Events
  // run from `io`. Throws std::system_error if the channel cannot be watched.
  NodePrimary(asio::io_context& io, UniqueFd channel, const WorkerIdentity& identity,
              ListenerSet& listeners, ConnectionHandout& handout, WorkerEvents events,
              std::int64_t first_seq = 0);
  ~NodePrimary() override;
  NodePrimary(const NodePrimary&) = delete;
  NodePrimary& operator=(const NodePrimary&) = delete;

  // Passes any JSON value but null to the worker's process.on("message"). False: refused (not JSON,
  // over 1 MiB, one of Node's internal frames), the channel is closed, or the worker does not read
  // and its queue is full.
  bool send_message(std::string_view json);

  // Asks the worker to close its servers, finish its connections and then the channel (on_closed).
  // It may live on after that if timers keep it. `keep_channel`: with node_drain.cjs the channel stays
  // open until the app closes it, and on_drained is called, if the app listens to messages. False:
  // cannot be asked (fork mode, or as send_message).
  bool disconnect(bool keep_channel = false);

  [[nodiscard]] bool online() const noexcept { return online_; }
  [[nodiscard]] bool listening() const noexcept { return listening_; }
  [[nodiscard]] bool closed() const noexcept { return channel_.closed(); }
  // An exit from now on is no failure: the worker was asked, or said that it would.
  [[nodiscard]] bool expected_exit() const noexcept { return expected_exit_; }
  [[nodiscard]] std::uint64_t refused() const noexcept {
    return channel_.refused();
  }  // frames not sent
  // Sockets that the app sent by process.send(message, handle): nobody is there to take them.
  [[nodiscard]] std::uint64_t handles_closed() const noexcept { return handles_closed_; }

  // What the next daemon must know to go on with this worker, at most kMaxSnapshotBytes; keys that
  // do not fit are left out, so the successor would let the worker open those twice. restore()
  // takes any text and ignores what it does not understand.
  [[nodiscard]] std::string snapshot() const;
  void restore(std::string_view snapshot);

 private:
  // A frame with a descriptor, until the worker says whether that arrived.
  struct Unacknowledged {
    std::int64_t number;  // of a reply: the worker's seq; of a connection: ours
    std::string key;
    std::string data;
    bool connection;
  };

  void on_frame(std::string_view line, const NodeChannel::Passed& passed);
  void answer(const node::QueryServer& query);
  void answer_error(std::int64_t ack, int error, std::string_view key, std::string_view data);
  void on_handle_refused();
  void on_handle(bool lost);
  void on_too_long(const NodeChannel::Passed& passed);
  void tell(const std::string& problem);
  std::optional<std::int64_t> pass_connection(const std::string& key, int fd) override;
  void changed();

  WorkerIdentity identity_;
  ListenerSet& listeners_;
  ConnectionHandout& handout_;
  std::shared_ptr<const WorkerEvents> events_;  // outlives *this while one of them runs
  std::int64_t next_seq_;
  bool online_ = false;
  bool listening_ = false;
  bool expected_exit_ = false;
  std::uint64_t handles_closed_ = 0;
  bool told_lost_handle_ = false;
  bool told_too_long_ = false;
  std::set<std::string, std::less<>> open_keys_;
  std::deque<Unacknowledged> unacknowledged_;
  NodeChannel channel_;  // last: its handlers use the rest
};

}  // namespace pmx
