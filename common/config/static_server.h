// Apps that are pmx-serve: files over HTTP, told what to do by PM2_SERVE_* variables.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/config/launch.h"

namespace pmx {

// What is not said of how `app` runs becomes what suits `program`, pmx-serve: when it is ready, how
// long it may finish what it sends, one process without a cluster, and its name.
void make_static_server(LaunchRequest& app, const std::string& program);

// What became of a key of an entry of the list `static`.
struct StaticServerKey {
  std::string expected;  // instead of this value; empty: it is right
  std::string ignored;   // why it has no effect; empty: it has
};
// As pm2 has them: name, port, host, path, spa, ftp, basic_auth. Sets a variable of `app`.
StaticServerKey set_static_server_key(const std::string& key, const nlohmann::json& value,
                                      LaunchRequest& app);

}  // namespace pmx
