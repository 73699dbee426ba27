// Configuration files with many apps ("ecosystem" files) as launch requests. Knows no format: the
// readers turn each into a ConfigDocument.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config/launch.h"

namespace pmx {

struct ConfigDocument;

struct Ecosystem {
  std::vector<LaunchRequest> apps;    // options.name is always filled in
  std::vector<std::string> warnings;  // keys that are not known or not supported yet
};

struct EcosystemContext {
  std::string current_dir;         // absolute; relative cwd of apps count from here
  Env environment;                 // of the caller
  std::string env_name;            // --env NAME: `env_NAME` is merged over `env`; empty: none
  LogLimits log_limits = {};       // of apps that say nothing else
  std::string serve_program = {};  // what `script: "serve"` means; empty: nothing
};

// Something about a file that its author should know. Shows no values of variables: they may be
// secrets.
struct ConfigFinding {
  bool is_error = true;    // false: a warning, the file can be used
  int line = 0;            // 0: not known
  std::string app;         // "web", or "apps[3]" if it has no name; empty: of the whole file
  std::string key;         // empty: of the whole app
  std::string what;        // in words
  std::string expected;    // a part of `what`; may be empty
  std::string suggestion;  // the key that was probably meant; may be empty
};

// In one line: `file:12: app "web": key "instances": expected ..., not ...`.
std::string to_text(const ConfigFinding& finding, const std::string& file);

struct EcosystemReport {
  Ecosystem ecosystem;                  // usable only without errors; its warnings are empty
  std::vector<int> lines;               // of each app; 0: not known
  std::vector<ConfigFinding> findings;  // in the order of the file, as far as lines are known

  [[nodiscard]] bool has_errors() const;
};

// Everything that can be said of a file without looking at the programs it names. Throws
// Error(invalid_spec) only if there are no apps in it.
EcosystemReport examine_ecosystem(const ConfigDocument& document, const EcosystemContext& context);
// Adds what make_app_spec finds wrong with each app: reads the file system.
void examine_programs(EcosystemReport& report);

// Throws one Error(invalid_spec) with every problem of the file: one bad app and nothing is done.
Ecosystem parse_ecosystem(const ConfigDocument& document, const EcosystemContext& context);
// The same for a text of JSON; `file` is its name in messages.
Ecosystem parse_ecosystem(std::string_view text, const std::string& file,
                          const EcosystemContext& context);

}  // namespace pmx
