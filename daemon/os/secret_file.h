// Secrets that an app gets as variables, read from files at each start of it.
#pragma once

#include <string>

namespace pmx {

// The content, without one line break at its end. Only regular files of at most 64 KiB, so that
// neither a pipe nor a huge file keeps the daemon waiting. Throws std::system_error naming
// operation and path; nothing of the content is in it.
std::string read_secret(const std::string& path);

}  // namespace pmx
