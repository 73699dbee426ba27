// JSON as people write it: besides RFC 8259 what JSON5 allows, which pm2's users are used to:
// comments, commas at the end, single quotes, names without quotes, hexadecimal numbers. Knows
// lines, which the JSON library does not.
#pragma once

#include <string>
#include <string_view>

#include "common/config/config_document.h"

namespace pmx {

// Throws Error(invalid_spec) "FILE:LINE:COLUMN: ..." at the first thing that is no JSON. A duplicate
// key is a problem of the document.
ConfigDocument read_json(std::string_view text, const std::string& file);

}  // namespace pmx
