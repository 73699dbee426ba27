// The JSON Schema of configuration files, for editors and checks before a deployment: made from the
// same table as their reading.
#pragma once

#include <string>

namespace pmx {

// Of draft 2020-12, indented, with a line break at the end.
std::string ecosystem_schema();

}  // namespace pmx
