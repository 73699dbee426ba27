// JSON-RPC 2.0 around every message.
//   request       {"jsonrpc":"2.0","id":7,"protocol":1,"method":"stop","params":{...}} "protocol"
//   may be left out result        {"jsonrpc":"2.0","id":7,"result":{...}} error
//   {"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"...","data":{"kind":"not_found","hint":"..."}}}
//   notification  {"jsonrpc":"2.0","method":"progress","params":{"id":7,...}}               daemon
//   to client, before the result
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/base/error.h"

namespace pmx::protocol {

using Json = nlohmann::json;

struct RequestHead {
  std::int64_t id = 0;
  std::string method;
};

// Throws Error: invalid_request (not JSON, too deep, not a request), version_mismatch. `id` is set
// as soon as it is known, so that the error can be answered to the right request; nullopt becomes
// "id":null.
RequestHead parse_request(std::string_view line, std::optional<std::int64_t>& id, Json& params);

// Lines without the final '\n'. In a request what is not UTF-8 is refused, else it is replaced.
std::string request_line(std::int64_t id, std::string_view method, const Json& params);
std::string result_line(std::int64_t id, const Json& result);
std::string error_line(std::optional<std::int64_t> id, const Error& error);
std::string notification_line(std::string_view method, const Json& params);

// What a client may receive; parse throws Error(invalid_request) on anything else.
struct Incoming {
  enum class Kind { result, error, notification };
  Kind kind = Kind::result;
  std::string method;          // notification
  std::optional<Error> error;  // error
};
Incoming parse_incoming(std::string_view line, Json& payload);

}  // namespace pmx::protocol
