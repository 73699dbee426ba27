#include "common/config/ecosystem_export.h"

#include <nlohmann/json.hpp>

#include "common/config/ecosystem_keys.h"

namespace pmx {

std::string export_json(const std::vector<AppSpec>& apps) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const AppSpec& app : apps) {
    Json entry = Json::object();
    entry["name"] = app.name;
    for (const EcosystemKey& key : ecosystem_keys()) {
      if (key.write == nullptr) continue;
      const nlohmann::json value = key.write(app);
      if (!value.is_null()) entry[std::string(key.name)] = value;
    }
    list.push_back(std::move(entry));
  }
  return Json{{"apps", std::move(list)}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace pmx
