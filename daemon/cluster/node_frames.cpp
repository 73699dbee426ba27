#include "daemon/cluster/node_frames.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace pmx::node {
namespace {

using nlohmann::json;

constexpr std::string_view kSpace = " \t\r\n";

// The scanner below only splits text that is_json() has passed, so it need not find errors: just
// stay inside.
std::size_t end_of_string(std::string_view text, std::size_t quote) {
  for (std::size_t at = quote + 1; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

struct Nesting {
  std::size_t end;  // where the value that began at `start` ends
  int depth;        // of the deepest array or object
};

Nesting scan_value(std::string_view text, std::size_t start) {
  Nesting result{text.size(), 0};
  int depth = 0;
  for (std::size_t at = start; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      at = end_of_string(text, at);
    } else if (c == '{' || c == '[') {
      result.depth = std::max(result.depth, ++depth);
      ++at;
    } else if (c == '}' || c == ']') {
      --depth;
      ++at;
    } else if (depth == 0) {
      at = std::min(text.find_first_of(",]} \t\r\n", at), text.size());
    } else {
      ++at;
    }
    if (depth == 0) {
      result.end = at;
      break;
    }
  }
  return result;
}

// What JSON.parse takes, too: nlohmann stops at a NUL and skips a byte order mark, Node throws on
// both.
bool is_json(std::string_view text) {
  if (text.find('\0') != std::string_view::npos || text.substr(0, 1) == "\xEF") return false;
  const std::size_t start = text.find_first_not_of(kSpace);
  if (start == std::string_view::npos || scan_value(text, start).depth > kMaxDepth) return false;
  return json::accept(text);
}

std::string string_value(std::string_view raw) {
  if (raw.empty() || raw.front() != '"') return {};
  if (raw.find('\\') == std::string_view::npos) return std::string(raw.substr(1, raw.size() - 2));
  return json::parse(raw).get<std::string>();
}

// The members of a JSON object (any other value has none). Looks them up by scanning: most frames
// are short, and the long ones are user messages, of which only `cmd` matters.
class Object {
 public:
  explicit Object(std::string_view text) : text_(text) {}

  // Raw text of a member's value; empty if absent. Of equal names the last counts, as in
  // JSON.parse.
  [[nodiscard]] std::string_view raw(std::string_view name) const {
    std::string_view found;
    std::size_t at = text_.find_first_not_of(kSpace);
    if (at == std::string_view::npos || text_[at] != '{') return found;
    const auto next_name = [&](std::size_t from) { return text_.find_first_of("\"}", from); };
    for (at = next_name(at); at < text_.size() && text_[at] == '"'; at = next_name(at)) {
      const std::size_t name_end = end_of_string(text_, at);
      const std::string_view quoted_name = text_.substr(at, name_end - at);
      const std::size_t value = text_.find_first_not_of(" \t\r\n:", name_end);
      if (value == std::string_view::npos) break;
      at = scan_value(text_, value).end;
      if (string_value(quoted_name) == name) found = text_.substr(value, at - value);
    }
    return found;
  }
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view name) const {
    const std::string_view text = raw(name);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size())
      return std::nullopt;
    return value;
  }
  [[nodiscard]] std::string string(std::string_view name) const { return string_value(raw(name)); }
  [[nodiscard]] bool is_true(std::string_view name) const { return raw(name) == "true"; }

 private:
  std::string_view text_;
};

bool is_internal(std::string_view command) {
  return command.size() > 5 && command.substr(0, 5) == "NODE_";
}

int small_int(std::optional<std::int64_t> value, int otherwise) {
  if (!value || *value < -1 || *value > 0xFFFFFF) return otherwise;
  return static_cast<int>(*value);
}

ListenRequest listen_request(const Object& frame) {
  ListenRequest request;
  const std::string type = frame.string("addressType");
  const int flags = small_int(frame.integer("flags"), 0);
  const int port = small_int(frame.integer("port"), 0);
  const int family = small_int(frame.integer("addressType"), 4);
  if (const std::string address = frame.string("address"); !address.empty())
    request.address = address;
  request.port = std::max(port, 0);
  request.backlog = small_int(frame.integer("backlog"), 0);
  if (request.backlog <= 0) request.backlog = 511;  // 0 and false mean "not given"
  request.ipv6_only = (flags & 1) != 0;
  request.readable_all = frame.is_true("readableAll");
  request.writable_all = frame.is_true("writableAll");
  if (type.substr(0, 3) == "udp") {
    request.kind = ListenRequest::Kind::udp;
    request.family = type == "udp6" ? 6 : 4;
    request.reuse_address = (flags & 4) != 0;
    if (!request.address) request.address = request.family == 6 ? "::" : "0.0.0.0";
  } else if (port == -1) {
    request.kind = ListenRequest::Kind::unix_stream;
  } else {
    request.family = family == 6 ? 6 : 4;
  }
  return request;
}

Frame query_server(const Object& frame) {
  QueryServer query;
  const auto seq = frame.integer("seq");
  if (!seq) return Unknown{};  // cannot be answered
  query.seq = *seq;
  query.request = listen_request(frame);
  query.names_our_fd = frame.integer("fd").value_or(-1) >= 0;
  query.key = listener_key(query.request, frame.integer("index").value_or(0));
  const std::string_view data = frame.raw("data");
  if (!data.empty() && data.size() <= kMaxData) query.data = data;
  return query;
}

Frame cluster_frame(const Object& frame) {
  const std::string act = frame.string("act");
  if (act == "queryServer") return query_server(frame);
  if (act == "online") return Online{};
  if (act == "listening")
    return Listening{frame.string("address"), std::max(small_int(frame.integer("port"), 0), 0)};
  if (act == "close") return Close{frame.string("key")};
  if (act == "exitedAfterDisconnect") return ExitedAfterDisconnect{frame.integer("seq")};
  const auto ack = frame.integer("ack");
  if (ack && !frame.raw("accepted").empty()) return Accepted{*ack, frame.is_true("accepted")};
  return Unknown{};
}

std::string quoted(std::string_view text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string reply_fields(std::int64_t ack, std::int64_t seq, int error, std::string_view key,
                         std::string_view data) {
  return fmt::format(R"({{"cmd":"NODE_CLUSTER","ack":{},"errno":{},"key":{},"data":{},"seq":{}}})",
                     ack, -error, quoted(key), data.empty() ? "null" : data, seq);
}

}  // namespace

Frame parse_frame(std::string_view line) {
  if (!is_json(line)) return Unknown{};
  const Object frame(line);
  const std::string command = frame.string("cmd");
  if (!is_internal(command)) return UserMessage{line};
  if (command == "NODE_CLUSTER") return cluster_frame(frame);
  if (command == "NODE_HANDLE_ACK") return HandleAck{};
  if (command == "NODE_HANDLE_NACK") return HandleNack{};
  if (command == "NODE_PMX" && frame.string("act") == "drained") return Drained{};
  if (command != "NODE_HANDLE") return Unknown{};
  const std::string_view message = frame.raw("msg");
  return HandleFrame{!message.empty() && !is_internal(Object(message).string("cmd")), message};
}

bool is_user_message(std::string_view text) {
  const std::size_t start = text.find_first_not_of(kSpace);
  if (start == std::string_view::npos || text[start] == 'n' ||
      text.find('\n') != std::string_view::npos)
    return false;
  return std::holds_alternative<UserMessage>(parse_frame(text));
}

std::string server_reply(std::int64_t ack, std::int64_t seq, ListenRequest::Kind kind,
                         std::string_view key, std::string_view data) {
  const std::string reply = reply_fields(ack, seq, 0, key, data);
  if (kind == ListenRequest::Kind::udp)
    return fmt::format(R"({{"cmd":"NODE_HANDLE","type":"dgram.Native","msg":{}}})", reply);
  // socketType (1: listening) and nativeKind are for Deno; Node asks the kernel instead.
  return fmt::format(
      R"({{"cmd":"NODE_HANDLE","type":"net.Native","socketType":1,"nativeKind":"{}","msg":{}}})",
      kind == ListenRequest::Kind::unix_stream ? "pipe" : "tcp", reply);
}

std::string handout_reply(std::int64_t ack, std::int64_t seq, std::string_view key,
                          std::string_view data, std::string_view address, int family, int port) {
  return fmt::format(
      R"({{"cmd":"NODE_CLUSTER","ack":{},"errno":null,"key":{},"data":{},"sockname":{{"address":{},"family":"IPv{}","port":{}}},"seq":{}}})",
      ack, quoted(key), data.empty() ? "null" : data, quoted(address), family, port, seq);
}

std::string new_connection(std::int64_t seq, std::string_view key) {
  return fmt::format(
      R"({{"cmd":"NODE_HANDLE","type":"net.Native","socketType":0,"nativeKind":"tcp","msg":{{"cmd":"NODE_CLUSTER","act":"newconn","key":{},"seq":{}}}}})",
      quoted(key), seq);
}

std::string server_error(std::int64_t ack, std::int64_t seq, int error, std::string_view key,
                         std::string_view data) {
  return reply_fields(ack, seq, error, key, data);
}

std::string acknowledgement(std::int64_t ack, std::int64_t seq) {
  return fmt::format(R"({{"cmd":"NODE_CLUSTER","ack":{},"seq":{}}})", ack, seq);
}

std::string disconnect_request(std::int64_t seq) {
  return fmt::format(R"({{"cmd":"NODE_CLUSTER","act":"disconnect","seq":{}}})", seq);
}

std::string drain_request(bool keep_channel) {
  return fmt::format(R"({{"cmd":"NODE_PMX","act":"drain","keepChannel":{}}})", keep_channel);
}

}  // namespace pmx::node
