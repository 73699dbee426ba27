#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "common/config/ecosystem_keys.h"
#include "common/config/ecosystem_schema.h"
#include "common/config/words.h"

namespace pmx {
namespace {

using Json = nlohmann::json;

TEST_CASE("the schema has each key, under each of its names") {
  const Json schema = Json::parse(ecosystem_schema());
  const Json& properties = schema.at("$defs").at("app").at("properties");
  for (const EcosystemKey& key : ecosystem_keys()) {
    std::vector<std::string> names = split_words(key.aliases);
    names.emplace_back(key.name);
    for (const std::string& name : names) {
      CAPTURE(name);
      REQUIRE(properties.contains(name));
      CHECK(properties.contains(camel_case(name)));
      CHECK(find_ecosystem_key(camel_case(name)) == &key);
    }
    CHECK(properties.at(std::string(key.name)).contains("description"));
    const bool has_schema = key.schema != nullptr;
    CHECK(has_schema);
  }
  for (const std::string_view name : ignored_keys()) CHECK(properties.contains(std::string(name)));
  CHECK(schema.at("$defs").at("app").at("patternProperties").contains("^env_"));
  CHECK(properties.at("outFile").at("$ref") == "#/$defs/app/properties/out_file");
}

// What the schema allows is what the reader takes: for names and kinds of values.
TEST_CASE("the schema and the reader agree") {
  struct Kind {
    const char* type;
    Json example;
  };
  const std::vector<Kind> kinds{
      {"boolean", true}, {"integer", 3}, {"array", Json::array()}, {"object", Json::object()}};
  for (const EcosystemKey& key : ecosystem_keys()) {
    CAPTURE(key.name);
    const Json schema = key.schema();
    LaunchRequest app;
    if (schema.contains("enum")) {
      for (const Json& name : schema.at("enum")) CHECK(key.set(name, app));
      CHECK_FALSE(key.set("nonsense", app));
      continue;
    }
    const Json types = schema.at("type").is_array() ? schema.at("type") : Json{schema.at("type")};
    for (const Kind& kind : kinds) {
      CAPTURE(kind.type);
      const bool allowed = std::find(types.begin(), types.end(), kind.type) != types.end();
      // cron_restart takes false and 0 only.
      if (key.name == "cron_restart" && allowed) continue;
      CHECK(key.set(kind.example, app) == allowed);
    }
  }
}

}  // namespace
}  // namespace pmx
