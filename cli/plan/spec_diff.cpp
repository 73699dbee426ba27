#include "cli/plan/spec_diff.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "common/config/secrets.h"
#include "common/protocol/model_json.h"

namespace pmx::cli {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestValue = 60;

struct Row {
  std::string_view field;
  Takes takes;
};

// Fields that are not here take effect in place.
constexpr auto kRows = std::to_array<Row>({
    {"args", Takes::new_process},
    {"balance", Takes::restart},
    {"bind_via", Takes::restart},
    {"cwd", Takes::new_process},
    {"env", Takes::new_process},
    {"env_origin", Takes::nothing},
    {"exec_mode", Takes::restart},
    {"health", Takes::new_process},
    {"hidden_env", Takes::nothing},
    {"increment_var", Takes::new_process},
    {"instance_var", Takes::new_process},
    {"instances_given", Takes::nothing},
    {"interpreter", Takes::new_process},
    {"interpreter_args", Takes::new_process},
    {"interpreter_path", Takes::new_process},
    {"job", Takes::restart},
    {"limits", Takes::new_process},
    {"listen", Takes::restart},
    {"name", Takes::restart},
    {"origin", Takes::nothing},
    {"own_env", Takes::nothing},
    {"ready", Takes::new_process},
    {"script", Takes::new_process},
    {"secret_files", Takes::new_process},
    {"shell", Takes::new_process},
    {"start_on_connection", Takes::restart},
    {"user", Takes::nothing},
    {"version", Takes::nothing},
    {"wait_ready", Takes::new_process},
});

std::string shown(const Json& value) {
  if (value.is_null()) return "-";
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() <= kLongestValue) return text;
  std::size_t end = kLongestValue;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  return text.substr(0, end) + "...";
}

std::string shown_variable(const std::string& name, const Json& value) {
  const bool hidden = value.is_string() && is_secret(name, value.get<std::string>());
  return hidden || is_secret_name(name) ? (value.is_null() ? "-" : "(hidden)") : shown(value);
}

Json member(const Json& object, const std::string& name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() ? *found : Json();
}

std::set<std::string> names_in(const Json& a, const Json& b) {
  std::set<std::string> names;
  for (const Json* each : {&a, &b}) {
    if (!each->is_object()) continue;
    for (const auto& [name, value] : each->items()) names.insert(name);
  }
  return names;
}

void compare(const std::string& field, const Json& from, const Json& to, Takes takes,
             std::vector<FieldChange>& changes) {
  if (from == to) return;
  if (!from.is_object() && !to.is_object()) {
    changes.push_back({field, shown(from), shown(to), takes});
    return;
  }
  for (const std::string& name : names_in(from, to)) {
    const Json before = member(from, name);
    const Json after = member(to, name);
    const std::string path = field + "." + name;
    if (field != "env") {
      compare(path, before, after, takes, changes);
    } else if (before != after) {
      changes.push_back({path, shown_variable(name, before), shown_variable(name, after), takes});
    }
  }
}

}  // namespace

std::string_view to_string(Takes takes) noexcept {
  switch (takes) {
    case Takes::nothing:
      return "nothing";
    case Takes::in_place:
      return "in place";
    case Takes::new_process:
      return "new process";
    case Takes::restart:
      break;
  }
  return "restart";
}

Takes takes(std::string_view field) noexcept {
  const auto row = std::ranges::find(kRows, field, &Row::field);
  return row != kRows.end() ? row->takes : Takes::in_place;
}

std::vector<FieldChange> differences(const AppSpec& from, const AppSpec& to) {
  const Json before = from;
  const Json after = to;
  std::vector<FieldChange> changes;
  for (const std::string& field : names_in(before, after)) {
    const Takes needed = takes(field);
    if (needed == Takes::nothing) continue;
    compare(field, member(before, field), member(after, field), needed, changes);
  }
  return changes;
}

}  // namespace pmx::cli
