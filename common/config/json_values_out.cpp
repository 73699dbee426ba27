// json_values.h: values as they are written, and their JSON Schema.
#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/config/json_values.h"
#include "common/model/signal_name.h"

namespace pmx::values {

Json to_value(const std::string& text) { return bytes_json(text); }
Json to_value(bool value) { return value; }
Json to_value(int value) { return value; }
Json to_value(std::uint64_t value) { return value; }
Json to_value(const std::optional<int>& value) { return value ? Json(*value) : Json(); }
Json to_value(const Env& value) {
  Json object = Json::object();
  for (const auto& [name, text] : value) object[name] = bytes_json(text);
  return object;
}
Json to_value(Millis value) { return value.count(); }
Json to_value(Balance value) { return std::string(to_string(value)); }
Json to_value(RestartMode value) { return std::string(to_string(value)); }
Json to_value(LogWhenFull value) { return std::string(to_string(value)); }
Json to_value(KillMode value) { return std::string(to_string(value)); }
Json to_value(ReadyTimeoutAction value) { return std::string(to_string(value)); }
Json to_value(Overlap value) { return std::string(to_string(value)); }
Json to_value(CatchUp value) { return std::string(to_string(value)); }
Json to_value(HealthAction value) { return std::string(to_string(value)); }
Json to_value(BindVia value) { return std::string(to_string(value)); }
Json to_value(const std::vector<StopSignal>& steps) {
  Json list = Json::array();
  for (const StopSignal& step : steps)
    list.push_back(fmt::format("{} {}", signal_name(step.number), step.wait.count()));
  return list;
}
Json to_value(const std::vector<int>& codes) { return codes; }
Json to_value(const std::optional<bool>& value) { return value ? Json(*value) : Json(); }
Json to_value(const std::vector<std::string>& words) {
  Json list = Json::array();
  for (const std::string& word : words) list.push_back(bytes_json(word));
  return list;
}

namespace {

Json one_of(std::initializer_list<const char*> names) { return {{"enum", names}}; }

constexpr const char* kWholeNumber = "^[0-9]+$";

}  // namespace

Json schema(const std::string&) { return {{"type", "string"}}; }
Json schema(const bool&) { return {{"type", "boolean"}}; }
Json schema(const int&) {
  return {{"type", {"integer", "string"}}, {"minimum", 0}, {"pattern", kWholeNumber}};
}
Json schema(const std::optional<int>&) {
  return {{"type", {"integer", "string"}}, {"pattern", "^-?[0-9]+$"}};
}
Json schema(const std::uint64_t&) {
  return {{"type", {"integer", "string"}},
          {"minimum", 0},
          {"pattern", "^[0-9]+(\\.[0-9]+)?[KkMmGg]?[Bb]?$"}};
}
Json schema(const Millis&) {
  return {{"type", {"integer", "string"}}, {"minimum", 0}, {"pattern", "^[0-9]+(ms|s|m|h)?$"}};
}
Json schema(const std::vector<std::string>&) {
  return {{"type", {"array", "string"}}, {"items", {{"type", {"string", "number", "boolean"}}}}};
}
Json schema(const std::vector<int>&) {
  return {{"type", {"array", "integer", "string"}},
          {"items", {{"type", {"integer", "string"}}, {"minimum", 0}, {"maximum", 255}}}};
}
Json schema(const std::vector<StopSignal>&) {
  return {{"type", {"array", "string"}}, {"items", {{"type", "string"}}}};
}
Json schema(const Env&) { return {{"type", "object"}}; }
Json schema(const std::optional<ExecMode>&) {
  return one_of({"fork", "cluster", "fork_mode", "cluster_mode"});
}
Json schema(const Balance&) { return one_of({"slots", "shared", "rr"}); }
Json schema(const BindVia&) { return one_of({"auto", "preload", "seccomp", "none"}); }
Json schema(const KillMode&) { return one_of({"tree", "group", "leader"}); }
Json schema(const ReadyTimeoutAction&) { return one_of({"fail", "online"}); }
Json schema(const HealthAction&) { return one_of({"restart", "report"}); }
Json schema(const Overlap&) { return one_of({"skip", "queue", "replace"}); }
Json schema(const CatchUp&) { return {{"type", "boolean"}}; }
Json schema(const RestartMode&) { return one_of({"always", "on-failure", "on-abnormal", "never"}); }
Json schema(const LogWhenFull&) { return one_of({"wait", "drop"}); }

}  // namespace pmx::values
