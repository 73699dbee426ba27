// Random UUIDs (RFC 4122, version 4).
#pragma once

#include <string>

namespace pmx {

std::string new_uuid();

}  // namespace pmx
