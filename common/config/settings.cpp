#include "common/config/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/sys/file.h"

namespace pmx {
namespace {

using Json = nlohmann::json;
using Parts = std::vector<std::string>;

bool begins_with(const Parts& parts, const Parts& beginning) {
  return parts.size() >= beginning.size() &&
         std::equal(beginning.begin(), beginning.end(), parts.begin());
}

std::string joined(const Parts& parts) { return fmt::format("{}", fmt::join(parts, ":")); }

void read(const Json& in, Parts& at, std::map<Parts, std::string>& out, const std::string& path) {
  for (const auto& [name, value] : in.items()) {
    at.push_back(name);
    if (value.is_object() && at.size() < Settings::kMaxLevels) {
      read(value, at, out, path);
    } else if (value.is_string()) {
      out[at] = value.get<std::string>();
    } else if (!value.is_structured()) {
      out[at] = value.dump();  // written by hand
    } else {
      throw Error(
          ErrorCode::invalid_spec,
          fmt::format("{}: \"{}\": expected a text, or an object of such, at most {} levels", path,
                      joined(at), Settings::kMaxLevels));
    }
    at.pop_back();
  }
}

}  // namespace

std::vector<std::string> Settings::parts_of(std::string_view key) {
  Parts parts{""};
  for (const char c : key) {
    if (c == ':' || c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  const bool has_empty = std::ranges::any_of(parts, [](const auto& part) { return part.empty(); });
  if (has_empty || parts.size() > kMaxLevels || !is_utf8(key))
    throw Error(ErrorCode::invalid_request, fmt::format("\"{}\" is no key", key),
                "name, app:name or app.name");
  return parts;
}

Settings Settings::load(const std::string& path) {
  Settings settings;
  const auto text = sys::read_file(path);
  if (!text) return settings;
  const Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object())
    throw Error(ErrorCode::invalid_spec, fmt::format("{}: it is no JSON object", path),
                "correct it, or remove it");
  Parts at;
  read(json, at, settings.values_, path);
  return settings;
}

void Settings::save(const std::string& path) const {
  Json json = Json::object();
  for (const auto& [parts, value] : values_) {
    Json* at = &json;
    for (const std::string& part : parts) at = &(*at)[part];
    *at = value;
  }
  sys::replace_file(path, json.dump(4, ' ', false, Json::error_handler_t::replace) + "\n", 0600);
}

void Settings::set(std::string_view key, const std::string& value) {
  const Parts parts = parts_of(key);
  if (!is_utf8(value))
    throw Error(ErrorCode::invalid_request, fmt::format("the value of {} is no UTF-8", key));
  for (const auto& [other, unused] : values_) {
    if (other == parts || (!begins_with(other, parts) && !begins_with(parts, other))) continue;
    throw Error(ErrorCode::invalid_request,
                fmt::format("{} cannot have a value: {} has one", joined(parts), joined(other)),
                fmt::format("pmx unset {}", joined(other)));
  }
  values_[parts] = value;
}

bool Settings::unset(std::string_view key) {
  if (key == "all") {
    values_.clear();
    return true;
  }
  const Parts parts = parts_of(key);
  return std::erase_if(values_,
                       [&](const auto& entry) { return begins_with(entry.first, parts); }) > 0;
}

std::optional<std::string> Settings::get(std::string_view key) const {
  const auto found = values_.find(parts_of(key));
  return found == values_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::pair<std::string, std::string>> Settings::entries(std::string_view name) const {
  const Parts below = name.empty() ? Parts() : parts_of(name);
  std::vector<std::pair<std::string, std::string>> list;
  for (const auto& [parts, value] : values_) {
    if (begins_with(parts, below)) list.emplace_back(joined(parts), value);
  }
  return list;
}

Env Settings::variables_of(const std::string& app) const {
  Env env;
  for (const auto& [parts, value] : values_) {
    if (parts.size() == 2 && parts.front() == app) env[parts.back()] = value;
  }
  return env;
}

}  // namespace pmx
