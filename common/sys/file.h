// Whole small files.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "common/base/unique_fd.h"

namespace pmx::sys {

// nullopt: it does not exist. Throws std::system_error on other errors. Works for /proc.
std::optional<std::string> read_file(const std::string& path);

// Old or new content after a crash at any moment, never a mixture: temporary file of its own
// beside it (removed on failure), fsync, rename, fsync of the directory.
void replace_file(const std::string& path, std::string_view content, mode_t mode);

// A file without a name, in memory, with that content; `name` is for people (memfd_create(2)). Throws
// std::system_error.
UniqueFd memory_file(const char* name, std::string_view content);
// All of an open file that can be read from its beginning. Throws std::system_error.
std::string read_from_start(int fd);

// Which file it is, whatever its name.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};
// nullopt: there is none (or it cannot be looked at).
std::optional<FileId> file_id(const std::string& path) noexcept;
std::optional<FileId> file_id(int fd) noexcept;

}  // namespace pmx::sys
