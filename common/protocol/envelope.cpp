#include "common/protocol/envelope.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/base/build_info.h"
#include "common/base/escaped.h"
#include "common/base/text.h"
#include "common/protocol/framing.h"
#include "common/protocol/version.h"

namespace pmx::protocol {
namespace {

// JSON-RPC's own numbers where it has one; ours share one "server error" number, `kind` tells them
// apart.
int rpc_code(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_request:
      return -32600;
    case ErrorCode::unknown_method:
      return -32601;
    case ErrorCode::internal:
      return -32603;
    default:
      return -32000;
  }
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json parse(std::string_view line) {
  if (nesting_depth(line) > kMaxNesting) {
    throw Error(ErrorCode::invalid_request,
                fmt::format("message nested deeper than {} levels", kMaxNesting));
  }
  try {
    return Json::parse(line);
  } catch (const Json::parse_error& error) {
    throw Error(ErrorCode::invalid_request, fmt::format("not valid JSON at byte {}", error.byte),
                "send one JSON-RPC 2.0 object per line");
  } catch (const Json::exception&) {
    throw Error(ErrorCode::invalid_request, "not valid JSON: a number is out of range",
                "send one JSON-RPC 2.0 object per line");
  }
}

// What may be other bytes travels as a list of them; everything else would arrive as another text.
void refuse_bytes(const Json& json, const std::string& place) {
  if (json.is_string() && !is_utf8(json.get_ref<const std::string&>())) {
    throw Error(
        ErrorCode::invalid_request,
        fmt::format("{}: \"{}\" is not UTF-8", place, escaped(json.get_ref<const std::string&>())));
  }
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      refuse_bytes(Json(key), place);
      refuse_bytes(value, fmt::format("{}.{}", place, key));
    }
  } else if (json.is_array()) {
    for (const Json& element : json) refuse_bytes(element, place);
  }
}

// A member that is a text; `otherwise` if it is missing or something else.
std::string text_of(const Json& json, std::string_view name, std::string_view otherwise) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>()
                                                   : std::string(otherwise);
}

}  // namespace

RequestHead parse_request(std::string_view line, std::optional<std::int64_t>& id, Json& params) {
  Json message = parse(line);
  if (!message.is_object()) {
    throw Error(ErrorCode::invalid_request, "a request must be a JSON object");
  }
  const auto id_field = message.find("id");
  if (id_field == message.end() || !id_field->is_number_integer()) {
    throw Error(ErrorCode::invalid_request, "a request needs an integer \"id\"");
  }
  id = id_field->get<std::int64_t>();
  const auto version = message.find("protocol");
  if (version != message.end()) {
    const int theirs = version->is_number_integer() ? version->get<int>() : 0;
    if (theirs < kOldestProtocol || theirs > kProtocol + 1) {
      throw Error(ErrorCode::version_mismatch,
                  fmt::format("this daemon (pmx {}) speaks protocol {} to {}, the client speaks {}",
                              kVersion, kOldestProtocol, kProtocol + 1, theirs),
                  "use pmx and pmxd of one installation; `pmx kill` and any command start the "
                  "installed daemon");
    }
  }
  const auto method = message.find("method");
  if (method == message.end() || !method->is_string()) {
    throw Error(ErrorCode::invalid_request, "a request needs a \"method\" string");
  }
  const auto given = message.find("params");
  if (given != message.end() && !given->is_object()) {
    throw Error(ErrorCode::invalid_request, "\"params\" must be an object");
  }
  params = given != message.end() ? std::move(*given) : Json::object();
  return {*id, method->get<std::string>()};
}

std::string request_line(std::int64_t id, std::string_view method, const Json& params) {
  refuse_bytes(params, std::string(method));
  return dump({{"jsonrpc", "2.0"},
               {"id", id},
               {"protocol", kProtocol},
               {"method", method},
               {"params", params}});
}

std::string result_line(std::int64_t id, const Json& result) {
  return dump({{"jsonrpc", "2.0"}, {"id", id}, {"result", result}});
}

std::string error_line(std::optional<std::int64_t> id, const Error& error) {
  Json data{{"kind", to_string(error.code())}};
  if (!error.hint().empty()) data["hint"] = error.hint();
  Json message{
      {"jsonrpc", "2.0"},
      {"id", nullptr},
      {"error",
       {{"code", rpc_code(error.code())}, {"message", error.what()}, {"data", std::move(data)}}}};
  if (id) message["id"] = *id;
  return dump(message);
}

std::string notification_line(std::string_view method, const Json& params) {
  return dump({{"jsonrpc", "2.0"}, {"method", method}, {"params", params}});
}

Incoming parse_incoming(std::string_view line, Json& payload) {
  Json message = parse(line);
  if (message.is_object()) {
    if (message.contains("result")) {
      payload = std::move(message["result"]);
      return {Incoming::Kind::result, {}, {}};
    }
    if (message.contains("error") && message["error"].is_object()) {
      const Json& error = message["error"];
      const Json data = error.value("data", Json::object());
      return {Incoming::Kind::error,
              {},
              Error(error_code_from(text_of(data, "kind", "internal")),
                    text_of(error, "message", "unknown error"), text_of(data, "hint", ""))};
    }
    if (message.contains("method") && message["method"].is_string()) {
      payload = message.value("params", Json::object());
      return {Incoming::Kind::notification, message["method"].get<std::string>(), {}};
    }
  }
  throw Error(ErrorCode::invalid_request,
              "the daemon sent something that is not a JSON-RPC answer");
}

}  // namespace pmx::protocol
