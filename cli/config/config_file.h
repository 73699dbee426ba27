// Configuration files of every format that pmx reads. The readers live here and not in
// common/config: the daemon never reads such files.
#pragma once

#include <string>

#include "common/config/config_document.h"
#include "common/config/ecosystem.h"

namespace pmx::cli {

// By its name (looks_like_config): JSON, YAML, TOML, or JavaScript, which a short-lived node
// evaluates; "-": standard input, JSON or YAML. `environment`: for node, and its PATH finds it.
// Throws Error(invalid_spec) naming file and line.
ConfigDocument read_config_file(const std::string& path, const Env& environment);

// parse_ecosystem of it.
Ecosystem read_ecosystem(const std::string& path, const EcosystemContext& context);

}  // namespace pmx::cli
