#include "daemon/cluster/app_messages.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace pmx {
namespace {

using nlohmann::json;

constexpr std::string_view kMark = "\"axm:";
constexpr std::size_t kMaxReportBytes = std::size_t{64} << 10U;  // of all but answers
constexpr int kMaxArity = 255;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

AppMessage action_in(const json& data) {
  CustomAction action{text(data, "action_name"), text(data, "action_type"), 0};
  if (action.name.empty()) return Malformed{"axm:action: action_name is missing"};
  const auto arity = data.find("arity");
  if (arity != data.end() && arity->is_number_unsigned() &&
      arity->get<std::uint64_t>() <= kMaxArity)
    action.arity = arity->get<int>();
  return action;
}

AppMessage metrics_in(const json& data) {
  Metrics result;
  for (const auto& [name, metric] : data.items()) {
    const auto value = metric.is_object() ? metric.find("value") : metric.end();
    if (!metric.is_object() || value == metric.end() || value->is_structured()) {
      return Malformed{fmt::format("axm:monitor: \"{}\" has no value", name.substr(0, 64))};
    }
    result.metrics.push_back({name, dump(*value), text(metric, "unit"), text(metric, "type")});
  }
  return result;
}

AppMessage options_in(json data) {
  // pm2 renames the app by this; a name is what its user has given it.
  data.erase("name");
  return ReportOptions{dump(data)};
}

AppMessage answer_in(const json& data) {
  const auto value = data.find("return");
  ActionAnswer answer{text(data, "action_name"), value == data.end() ? "null" : dump(*value)};
  if (answer.action.empty()) return Malformed{"axm:reply: action_name is missing"};
  if (answer.json.size() > kMaxAnswerBytes)
    answer.json = dump(fmt::format("pmx: the answer has more than {} bytes", kMaxAnswerBytes));
  return answer;
}

}  // namespace

std::optional<AppMessage> app_message(std::string_view raw) {
  if (raw.find(kMark) == std::string_view::npos) return std::nullopt;
  const json message = json::parse(raw, nullptr, false);
  if (!message.is_object()) return std::nullopt;
  const std::string type = text(message, "type");
  if (!type.starts_with("axm:")) return std::nullopt;
  const auto data = message.find("data");
  if (data == message.end() || !data->is_object())
    return Malformed{fmt::format("{}: data is not an object", type.substr(0, 64))};
  if (type == "axm:reply") return answer_in(*data);
  if (raw.size() > kMaxReportBytes)
    return Malformed{fmt::format("{}: more than {} bytes", type.substr(0, 64), kMaxReportBytes)};
  if (type == "axm:action") return action_in(*data);
  if (type == "axm:monitor") return metrics_in(*data);
  if (type == "axm:option:configuration") return options_in(*data);
  // Of pm2's agent (traces, transactions, ...): nobody here wants it.
  return std::nullopt;
}

std::string action_request(std::string_view action, const std::optional<std::string>& param,
                           std::string_view app) {
  if (!param) return dump(json(action));
  return dump(json{{"msg", action}, {"opts", *param}, {"name", app}});
}

}  // namespace pmx
