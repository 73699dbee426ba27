// TOML as configuration, with lines for messages.
#pragma once

#include <string>
#include <string_view>

#include "common/config/config_document.h"

namespace pmx::cli {

// Dates and times become texts. Throws Error(invalid_spec) "FILE:LINE:COLUMN: ..." at the first
// thing that is no TOML, or that JSON has nothing for (inf, nan).
ConfigDocument read_toml(std::string_view text, const std::string& file);

}  // namespace pmx::cli
