// Any bytes on the control socket, from either side, and on a Node worker's channel: each line is
// read or refused with an Error.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/base/error.h"
#include "common/protocol/commands.h"
#include "common/protocol/envelope.h"
#include "common/protocol/framing.h"
#include "daemon/cluster/app_messages.h"
#include "daemon/cluster/node_frames.h"

namespace {

using namespace pmx;
using protocol::Json;

template <class T>
void read_as(const Json& json) {
  try {
    T value;
    from_json(json, value);
    Json written;
    to_json(written, value);
    (void)protocol::result_line(1, written);
  } catch (const Error&) {
    // refused, as it should be
  }
}

template <class... Commands>
void read_as_each(const Json& json, protocol::TypeList<Commands...>) {
  (read_as<typename Commands::Request>(json), ...);
}

void read_request(std::string_view line) {
  std::optional<std::int64_t> id;
  Json params;
  try {
    (void)protocol::parse_request(line, id, params);
  } catch (const Error& error) {
    (void)protocol::error_line(id, error);
    return;
  }
  read_as_each(params, protocol::AllCommands());
}

void read_answer(std::string_view line) {
  Json payload;
  try {
    (void)protocol::parse_incoming(line, payload);
  } catch (const Error&) {
    return;
  }
  read_as<protocol::Ping::Response>(payload);
  read_as<protocol::Start::Response>(payload);
  read_as<protocol::ActedResponse>(payload);
  read_as<protocol::List::Response>(payload);
  read_as<protocol::Logs::Events>(payload);
  read_as<protocol::Progress>(payload);
}

void read_frame(std::string_view line) {
  (void)node::parse_frame(line);
  if (node::is_user_message(line)) (void)app_message(line);
}

void read_line(std::string_view line) {
  (void)protocol::nesting_depth(line);
  read_request(line);
  read_answer(line);
  read_frame(line);
}

}  // namespace

// In two pieces: a line may begin in one and end in the other.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(data, data + size);
  const std::string_view text = bytes;
  protocol::LineBuffer buffer(4096);
  for (const std::string_view piece : {text.substr(0, size / 2), text.substr(size / 2)}) {
    if (!buffer.append(piece)) return 0;
    while (const std::optional<std::string> line = buffer.next()) read_line(*line);
  }
  read_line(text);
  return 0;
}
