// Configuration files with many apps ("ecosystem" files) as launch requests. JSON with comments.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config/launch.h"

namespace pmx {

struct Ecosystem {
  std::vector<LaunchRequest> apps;    // options.name is always filled in
  std::vector<std::string> warnings;  // keys that are not known or not supported yet
};

struct EcosystemContext {
  std::string current_dir;  // absolute; relative cwd of apps count from here
  Env environment;          // of the caller
  std::string env_name;     // --env NAME: `env_NAME` is merged over `env`; empty: none
};

// `path`, or "-" for standard input. Throws one Error(invalid_spec) with every problem of the file:
// one bad app and nothing is done.
Ecosystem read_ecosystem(const std::string& path, const EcosystemContext& context);

// The same for a text; `file` is its name in messages.
Ecosystem parse_ecosystem(std::string_view text, const std::string& file,
                          const EcosystemContext& context);

// make_app_spec for all; one Error(invalid_spec) with the problems of every app.
std::vector<AppSpec> make_app_specs(const std::vector<LaunchRequest>& apps);

}  // namespace pmx
