// Whole small files.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace pmx::sys {

// nullopt: it does not exist. Throws std::system_error on other errors. Works for /proc.
std::optional<std::string> read_file(const std::string& path);

// Old or new content after a crash at any moment, never a mixture: temporary file, fsync, rename,
// fsync of the directory.
void replace_file(const std::string& path, std::string_view content, mode_t mode);

}  // namespace pmx::sys
