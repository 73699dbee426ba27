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
};

// All of them; what each means is in ecosystem_help.h.
const std::vector<EcosystemKey>& ecosystem_keys();

// By name, alias or camelCase form of either.
const EcosystemKey* find_ecosystem_key(std::string_view key);

// A key of pm2 that pmx ignores. `matters`: with this value it would change what happens.
struct IgnoredKey {
  bool matters = false;
};
std::optional<IgnoredKey> find_ignored_key(std::string_view key, const nlohmann::json& value);

// The known key that `key` is a likely slip of.
std::optional<std::string> nearest_ecosystem_key(std::string_view key);

}  // namespace pmx
