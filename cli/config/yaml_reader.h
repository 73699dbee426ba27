// YAML as configuration: what pm2's users write, with lines for messages. Values are those of YAML
// 1.2: yes, no, on and off are texts. Merge keys (<<) and anchors are followed.
#pragma once

#include <string>
#include <string_view>

#include "common/config/config_document.h"

namespace pmx::cli {

// A number that would not be written back in the same way (1.10, 027) stays the text that it is.
// Throws Error(invalid_spec) "FILE:LINE:COLUMN: ..." at the first thing that is no YAML, is nested
// too deep, or grows beyond all reason by its anchors. A duplicate key is a problem of the document.
ConfigDocument read_yaml(std::string_view text, const std::string& file);

}  // namespace pmx::cli
