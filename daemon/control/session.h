// Session: one client connection. A reader answers its requests one after the other; a writer sends
// what is queued, so that a client that does not read never holds up anything else.
#pragma once

#include <asio/local/stream_protocol.hpp>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/base/clock.h"
#include "daemon/control/dispatcher.h"
#include "daemon/runtime/async.h"

namespace pmx {

class Session : public std::enable_shared_from_this<Session> {
 public:
  // Queued for a client that does not read: past this it is disconnected.
  static constexpr std::size_t kMaxQueuedBytes = std::size_t{64} << 20U;

  Session(asio::io_context& io, asio::local::stream_protocol::socket socket,
          ControlContext& context);

  // Until the client goes, or misbehaves.
  awaitable<void> read();
  // Until closed and everything is sent.
  awaitable<void> write();
  // Notifications about changed log files and a changed list, if the client asked for them.
  awaitable<void> follow();

  void close();
  // Something that a follower may want to know has changed.
  void changed() {
    list_is_old_ = true;
    files_are_old_ = true;
    wake_follower_.notify_all();
  }
  // An app has said something. Who only wishes events passes over it, so as not to miss one behind it.
  void heard() {
    if (next_event_) wake_follower_.notify_all();
  }
  // No request is being worked on and none is subscribed to: may be closed to make room.
  [[nodiscard]] bool idle() const noexcept {
    return closing_ || (!busy_ && !following_logs_ && !following_list_);
  }

 private:
  void queue(std::string line, std::function<void()> when_sent = {});
  void tell_log_files();
  void tell_list();
  // A bounded part of what is new; false: there is nothing.
  bool tell_events();
  [[nodiscard]] bool concerns(const Supervisor::ProcessEvent& event) const;

  struct Outgoing {
    std::string bytes;
    std::function<void()> when_sent;
  };

  asio::io_context& io_;
  asio::local::stream_protocol::socket socket_;
  ControlContext& context_;
  Dispatcher dispatcher_;
  Condition wake_writer_;
  Condition wake_follower_;
  Condition sent_;
  asio::steady_timer turn_;
  std::deque<Outgoing> outgoing_;
  std::size_t queued_bytes_ = 0;
  bool closing_ = false;
  bool busy_ = false;
  bool following_list_ = false;
  bool list_is_old_ = false;
  std::int64_t list_id_ = 0;
  bool following_logs_ = false;
  std::optional<std::string> follow_target_;
  std::int64_t follow_id_ = 0;
  std::set<int> followed_;                   // instances that are or were of the target
  std::optional<std::uint64_t> next_event_;  // none: events are not wished for
  std::string last_files_;                   // as told
  bool files_are_old_ = false;
  std::shared_ptr<const bool> listens_;  // messages are wished for
};

}  // namespace pmx
