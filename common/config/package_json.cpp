#include "common/config/package_json.h"

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

#include "common/sys/file.h"

namespace pmx {
namespace {

namespace fs = std::filesystem;

// A broken package.json is the package's problem: everything works without it.
std::optional<nlohmann::json> read_package(const fs::path& directory) {
  try {
    const auto text = sys::read_file((directory / "package.json").string());
    if (!text) return std::nullopt;
    nlohmann::json package = nlohmann::json::parse(*text, nullptr, false);
    if (!package.is_object()) return nlohmann::json(nlohmann::json::object());
    return package;
  } catch (const std::system_error&) {
    return std::nullopt;
  }
}

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::optional<Package> nearest_package(const std::string& directory) {
  fs::path here(directory);
  for (;;) {
    if (const auto json = read_package(here)) {
      Package package{here.string(), text_of(*json, "name"), text_of(*json, "version"), {}};
      const auto scripts = json->find("scripts");
      if (scripts == json->end() || !scripts->is_object()) return package;
      for (const auto& [name, text] : scripts->items()) {
        if (text.is_string()) package.scripts[name] = text.get<std::string>();
      }
      return package;
    }
    if (!here.has_relative_path()) return std::nullopt;
    here = here.parent_path();
  }
}

std::string nearest_package_version(const std::string& directory) {
  const auto package = nearest_package(directory);
  return package ? package->version : std::string();
}

std::optional<std::string> package_entry(const std::string& directory) {
  constexpr std::array<std::string_view, 6> kEndings{"",     ".js",       ".cjs",
                                                     ".mjs", "/index.js", "/index.cjs"};
  const auto package = read_package(directory);
  const std::string main = package ? text_of(*package, "main") : std::string();
  for (const std::string& name : {main, std::string("index.js")}) {
    if (name.empty()) continue;
    for (const std::string_view ending : kEndings) {
      std::string path = (fs::path(directory) / name).lexically_normal().string();
      path.append(ending);
      std::error_code error;
      if (fs::is_regular_file(path, error)) return path;
    }
  }
  return std::nullopt;
}

}  // namespace pmx
