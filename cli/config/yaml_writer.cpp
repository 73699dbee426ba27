#include "cli/config/yaml_writer.h"

#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>

namespace pmx::cli {
namespace {

using Json = nlohmann::ordered_json;

// Texts are quoted: no reader takes "yes" or "1.10" for something else.
void write(YAML::Emitter& out, const Json& value) {
  if (value.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [key, member] : value.items()) {
      out << YAML::Key << key << YAML::Value;
      write(out, member);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    out << YAML::BeginSeq;
    for (const Json& element : value) write(out, element);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    out << YAML::DoubleQuoted << value.get<std::string>();
  } else {
    out << value.dump();
  }
}

}  // namespace

std::string yaml_of_json(std::string_view json) {
  YAML::Emitter out;
  write(out, Json::parse(json));
  return std::string(out.c_str(), out.size()) + "\n";
}

}  // namespace pmx::cli
