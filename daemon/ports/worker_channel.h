// WorkerChannel: the message channel to one run (Node's IPC protocol on its fd 3, which any
// language can speak). In cluster mode it also serves the app's shared listening sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/unique_fd.h"
#include "common/model/app_spec.h"
#include "daemon/ports/app_message.h"
#include "daemon/ports/spawner.h"

namespace pmx {

// Each but on_any_message, on_note_changed and on_problem may destroy the channel. Text is valid
// during the call only.
struct ChannelEvents {
  std::function<void()> on_listening;                         // a server of this worker is up
  std::function<void(std::string_view json)> on_any_message;  // one JSON value; before these two:
  std::function<void(std::string_view json)> on_message;
  std::function<void(AppMessage message)> on_app_message;  // pm2's axm messages
  std::function<void()> on_drained;  // after disconnect() that keeps the channel: its work is done
  std::function<void()> on_closed;   // last event; after disconnect(): all its work is done
  std::function<void()> on_note_changed;
  std::function<void(const std::string& text)>
      on_problem;  // why it does not get a socket, or why what it sent is not taken; for people
};

class WorkerChannel {
 public:
  virtual ~WorkerChannel() = default;
  // One JSON value. False: not taken (closed, or the worker does not read).
  virtual bool send_message(std::string_view json) = 0;
  // Has the app run one of its actions. False: as above.
  virtual bool request_action(std::string_view action, const std::optional<std::string>& param,
                              std::string_view app) = 0;
  // Asks a cluster worker to finish its work and close the channel. `keep_channel`: to say when it is
  // done (on_drained) and leave the channel open for messages; one that cannot do so, or takes none,
  // closes it. False: cannot be asked.
  virtual bool disconnect(bool keep_channel) = 0;
  [[nodiscard]] virtual bool closed() const = 0;
  // What the next daemon must know of this worker.
  [[nodiscard]] virtual std::string note() const = 0;
};

// Whose channel it is.
struct WorkerIdentity {
  std::uint64_t app_id = 0;
  RunId run;
  bool cluster = false;  // speaks Node's cluster protocol
  Balance balance = Balance::shared;
};

class WorkerChannels {
 public:
  virtual ~WorkerChannels() = default;
  // `note` is that of an earlier daemon, or empty for a new worker.
  virtual std::unique_ptr<WorkerChannel> open(UniqueFd fd, const WorkerIdentity& identity,
                                              std::string_view note, ChannelEvents events) = 0;
};

}  // namespace pmx
