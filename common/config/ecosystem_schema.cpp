#include "common/config/ecosystem_schema.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/config/ecosystem_keys.h"
#include "common/config/words.h"

namespace pmx {
namespace {

using Json = nlohmann::json;

Json variables_schema() {
  return {{"type", "object"},
          {"description",
           "Variables. ${NAME} and ${NAME:-default} stand for variables of the shell; "
           "{\"file\": PATH} is read at each start."}};
}

Json app_schema() {
  Json properties = Json::object();
  for (const EcosystemKey& key : ecosystem_keys()) {
    Json value = key.schema == nullptr ? Json::object() : Json(key.schema());
    value["description"] = fmt::format("Expected: {}.", key.expected);
    if (key.name == "env") value = variables_schema();
    properties[std::string(key.name)] = std::move(value);
    const Json same = {{"$ref", fmt::format("#/$defs/app/properties/{}", key.name)}};
    std::vector<std::string> others = split_words(key.aliases);
    others.insert(others.begin(), std::string(key.name));
    for (const std::string& name : others) {
      properties.emplace(name, same);
      properties.emplace(camel_case(name), same);
    }
  }
  for (const std::string_view name : ignored_keys()) {
    const Json ignored = {{"description", "A key of pm2 that pmx ignores."}};
    properties.emplace(std::string(name), ignored);
    properties.emplace(camel_case(name), ignored);
  }
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"patternProperties", {{"^env_", variables_schema()}}},
          {"additionalProperties", false}};
}

}  // namespace

std::string ecosystem_schema() {
  const Json app = {{"$ref", "#/$defs/app"}};
  const Json list = {{"type", "array"}, {"items", app}};
  const Json apps = {{"oneOf", {list, app}}};
  const Json schema = {
      {"$schema", "https://json-schema.org/draft/2020-12/schema"},
      {"title", "Configuration file of pmx"},
      {"oneOf",
       {{{"type", "object"}, {"properties", {{"apps", apps}}}, {"required", {"apps"}}},
        {{"type", "object"}, {"properties", {{"pm2", true}}}, {"required", {"pm2"}}},
        {{"type", "object"},
         {"properties", {{"static", {{"type", "array"}}}}},
         {"required", {"static"}},
         {"not", {{"required", {"apps"}}}}},
        list,
        app}},
      {"$defs", {{"app", app_schema()}}}};
  return schema.dump(2) + "\n";
}

}  // namespace pmx
