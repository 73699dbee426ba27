// An advisory lock on a file, held as long as the object lives.
#pragma once

#include <optional>
#include <string>

#include "common/base/unique_fd.h"

namespace pmx::sys {

class FileLock {
 public:
  // Creates the file (0600) if needed. nullopt: somebody else holds the lock. Throws
  // std::system_error on other errors.
  static std::optional<FileLock> try_acquire(const std::string& path);
  // Waits.
  static FileLock acquire(const std::string& path);

  // Writes `text` as the file's whole content (e.g. the holder's pid).
  void write(const std::string& text) const;
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  explicit FileLock(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace pmx::sys
