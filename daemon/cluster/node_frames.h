// The frames of Node's cluster protocol that a primary needs: parsing what workers send, building
// what they understand. Pure text; the meaning is in node_primary.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "daemon/ports/listener_set.h"

namespace pmx::node {

// User code is about to run.
struct Online {};

// The worker wants a server and waits for the reply.
struct QueryServer {
  std::int64_t seq = 0;
  ListenRequest request;
  bool names_our_fd =
      false;        // listen({fd}): a number of the primary's, which has no such descriptor
  std::string key;  // identity of the port among the app's: address, port, type, IPv6-only; with
                    // port 0 also the index
  std::string data = "null";  // raw JSON (TLS ticket keys): goes back in every reply
};

// A server is up. `port` is the real one; 0 for a Unix path, which is in `address`.
struct Listening {
  std::string address;  // empty: any
  int port = 0;
};

// The worker closed the server that we answered with `key`.
struct Close {
  std::string key;
};

// The worker will end on its own wish and waits for an acknowledgement.
struct ExitedAfterDisconnect {
  std::optional<std::int64_t> seq;
};

// Our own, of node_drain.cjs: the servers are closed, the connections finished.
struct Drained {};

// The worker's answer to our connection `ack` (new_connection).
struct Accepted {
  std::int64_t ack = 0;
  bool taken = false;
};

// The worker sent a handle and waits for kHandleAck; or the app sent an object that looks so.
struct HandleFrame {
  bool user_message = false;  // false: `message` is internal to Node
  std::string_view message;   // raw JSON, part of the parsed line
};

struct HandleAck {};
struct HandleNack {};  // our handle did not arrive: the worker is at its descriptor limit

// process.send(): any JSON value but null.
struct UserMessage {
  std::string_view raw;  // the parsed line
};

// Not JSON (the rest of a frame whose beginning a dead daemon had read), nested too deeply, or of
// no interest.
struct Unknown {};

using Frame = std::variant<Online, QueryServer, Listening, Close, ExitedAfterDisconnect, Drained,
                           Accepted, HandleFrame, HandleAck, HandleNack, UserMessage, Unknown>;

inline constexpr int kMaxDepth = 200;  // of nested arrays and objects
inline constexpr std::size_t kMaxData =
    4096;  // bytes of QueryServer::data; more is given as "null"

// Never throws on any text. Views in the result point into `line`.
Frame parse_frame(std::string_view line);

// Whether `text` may be sent to a worker as a user message: valid JSON for Node, on one line, not
// null and not one of Node's internal frames (some of which kill a worker).
bool is_user_message(std::string_view text);

// Replies to QueryServer `ack`. `seq` counts the sender's frames. The first goes with the listening
// socket.
std::string server_reply(std::int64_t ack, std::int64_t seq, ListenRequest::Kind kind,
                         std::string_view key, std::string_view data);
// Without a socket: connections will come by new_connection. `address` is IP text.
std::string handout_reply(std::int64_t ack, std::int64_t seq, std::string_view key,
                          std::string_view data, std::string_view address, int family, int port);
// Goes with an accepted connection.
std::string new_connection(std::int64_t seq, std::string_view key);
std::string server_error(std::int64_t ack, std::int64_t seq, int error, std::string_view key,
                         std::string_view data);  // error > 0
std::string acknowledgement(std::int64_t ack, std::int64_t seq);
std::string disconnect_request(std::int64_t seq);
// Our own: open keep-alive connections end with their next response (node_drain.cjs). `keep_channel`:
// when all is done the worker says so (Drained) instead of closing the channel.
std::string drain_request(bool keep_channel);
// Answers to a HandleFrame whose handle came, or was lost on the way (then it is sent again). To
// anything else they are deadly: the worker asserts that it waits for one.
inline constexpr std::string_view kHandleAck = R"({"cmd":"NODE_HANDLE_ACK"})";
inline constexpr std::string_view kHandleNack = R"({"cmd":"NODE_HANDLE_NACK"})";

}  // namespace pmx::node
