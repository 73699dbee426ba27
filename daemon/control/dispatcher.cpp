#include "daemon/control/dispatcher.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "common/base/error.h"
#include "common/protocol/envelope.h"

namespace pmx {
namespace {

using protocol::Json;

using Invoke = awaitable<Json> (*)(ControlContext&, Json, Call&);

template <class Command>
awaitable<Json> invoke(ControlContext& context, Json params, Call& call) {
  typename Command::Request request;
  from_json(params, request);
  const Tag<Command> tag;
  const typename Command::Response response =
      co_await handle(tag, context, std::move(request), call);
  Json json;
  to_json(json, response);
  co_return json;
}

template <class... Commands>
std::map<std::string_view, Invoke> make_table(protocol::TypeList<Commands...>) {
  return {{Commands::method, &invoke<Commands>}...};
}

const std::map<std::string_view, Invoke>& table() {
  static const std::map<std::string_view, Invoke> kTable = make_table(protocol::AllCommands());
  return kTable;
}

awaitable<Json> call_command(ControlContext& context, std::string_view line,
                             std::optional<std::int64_t>& id, Call& call) {
  Json params;
  const protocol::RequestHead head = protocol::parse_request(line, id, params);
  call.id = head.id;
  const auto entry = table().find(head.method);
  if (entry == table().end()) {
    throw Error(ErrorCode::unknown_method,
                fmt::format("unknown method \"{}\"", head.method.substr(0, 64)));
  }
  Json result = co_await entry->second(context, std::move(params), call);
  co_return result;
}

}  // namespace

awaitable<std::string> Dispatcher::dispatch(std::string line, Call& call) {
  std::optional<std::int64_t> id;
  std::optional<Error> error;
  Json result;
  try {
    result = co_await call_command(context_, line, id, call);
  } catch (const Error& failure) {
    error = failure;
  } catch (const std::system_error& failure) {
    if (failure.code() == asio::error::operation_aborted) throw;
    error.emplace(ErrorCode::internal, failure.what());
  } catch (const std::exception& failure) {
    error.emplace(ErrorCode::internal, failure.what());
  }
  if (!error) co_return protocol::result_line(*id, result);
  if (error->code() == ErrorCode::internal)
    context_.log(fmt::format("a command failed: {}", error->what()));
  co_return protocol::error_line(id, *error);
}

}  // namespace pmx
