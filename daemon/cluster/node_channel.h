// The daemon's end of one worker's Node IPC channel: newline-terminated JSON texts over a Unix
// stream socket, descriptors beside them. Knows lines, not their meaning. Control thread only.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/unique_fd.h"

namespace pmx {

class NodeChannel {
 public:
  static constexpr std::size_t kMaxLine = 8U << 20U;         // bytes of one incoming frame, about
  static constexpr std::size_t kMaxQueuedBytes = 1U << 20U;  // outgoing, so also of one frame
  static constexpr std::size_t kMaxQueuedFrames = 256;

  // What came with the first byte of a frame: nothing, a descriptor, or one that is lost because we
  // are at our limit of open files.
  struct Passed {
    UniqueFd fd;
    bool lost = false;

    [[nodiscard]] bool any() const noexcept { return fd || lost; }
  };

  // Each handler may destroy the channel.
  struct Handlers {
    // A whole line without its newline, valid during the call.
    std::function<void(std::string_view line, Passed passed)> on_frame;
    // A line of more than kMaxLine has passed, unread. May be empty.
    std::function<void(Passed passed)> on_too_long;
    // Once, last: nothing more arrives and nothing can be sent. `reason` is in words, valid during
    // the call.
    std::function<void(std::string_view reason)> on_closed;
  };

  // Starts reading; handlers run from `io`. Throws std::system_error if the socket cannot be
  // watched.
  NodeChannel(asio::io_context& io, UniqueFd socket, Handlers handlers);
  // Closes the socket without calling a handler. The worker sees that only if nobody else keeps a
  // duplicate.
  ~NodeChannel();
  NodeChannel(const NodeChannel&) = delete;
  NodeChannel& operator=(const NodeChannel&) = delete;

  // Sends `line` (JSON, not empty, no newline: anything else kills a Node worker) and, with its
  // first byte, a duplicate of `fd` (borrowed; -1: none). What the socket does not take now is
  // queued. False: nothing was or will be sent (closed, or a bound or the socket refused it), and
  // `refused` has grown. Calls no handler.
  bool send(std::string_view line, int fd = -1);

  [[nodiscard]] bool closed() const noexcept;
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

 private:
  struct State;  // outlives the channel while one of its handlers runs
  struct Outgoing {
    std::string text;
    std::size_t sent = 0;
    UniqueFd fd;
  };

  void wait_readable();
  void wait_writable();
  void receive();
  void dispatch(std::string_view bytes, Passed received);
  void flush();
  void close(const std::string& reason);

  asio::posix::stream_descriptor descriptor_;
  std::shared_ptr<State> state_;
  std::string partial_;    // the beginning of a line
  Passed partial_passed_;  // what came with it
  bool skipping_ = false;  // it got too long: its bytes are thrown away up to its end
  std::deque<Outgoing> queue_;
  std::size_t queued_bytes_ = 0;
  std::uint64_t refused_ = 0;
  bool peer_gone_ =
      false;  // writing failed; reading will tell the end once it has got all there is
};

}  // namespace pmx
