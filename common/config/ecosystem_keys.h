// The keys an app may have in a configuration file (pm2-surface 7.2): one row each. Internal to
// common/config.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/launch.h"

namespace pmx {

struct EcosystemKey {
  std::string_view name;
  std::string_view aliases;   // separated by blanks
  std::string_view expected;  // in words
  // False: `value` is not what is expected.
  bool (*set)(const nlohmann::json& value, LaunchRequest& app);
  // What a file says for this app; null: nothing, it is as without the key. Without a function:
  // another key says the same.
  nlohmann::json (*write)(const AppSpec& spec) = nullptr;
  nlohmann::json (*schema)() = nullptr;  // JSON Schema of the value; none: anything
};

// All of them, in the order of the table; what each means is in ecosystem_help.h.
const std::vector<EcosystemKey>& ecosystem_keys();

// Names of pm2 that are ignored.
std::vector<std::string_view> ignored_keys();
// "outFile" of "out_file".
std::string camel_case(std::string_view key);

// By name, alias or camelCase form of either.
const EcosystemKey* find_ecosystem_key(std::string_view key);

// A key of pm2 that pmx ignores. `matters`: with this value it would change what happens in pm2.
struct IgnoredKey {
  bool matters = false;
  std::string_view reason;
};
std::optional<IgnoredKey> find_ignored_key(std::string_view key, const nlohmann::json& value);

// The known key that `key` is a likely slip of.
std::optional<std::string> nearest_ecosystem_key(std::string_view key);

}  // namespace pmx
