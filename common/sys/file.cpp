#include "common/sys/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "common/base/unique_fd.h"

namespace pmx::sys {
namespace {

[[noreturn]] void fail(const char* operation, const std::string& path) {
  throw std::system_error(errno, std::generic_category(), std::string(operation) + " " + path);
}

void write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t count = ::write(fd, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("write", path);
    content.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace

std::optional<std::string> read_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) return std::nullopt;
    fail("open", path);
  }
  std::string content;
  std::array<char, 4096> block{};
  for (;;) {
    const ssize_t count = ::read(fd.get(), block.data(), block.size());
    if (count == 0) return content;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("read", path);
    content.append(block.data(), static_cast<std::size_t>(count));
  }
}

void replace_file(const std::string& path, std::string_view content, mode_t mode) {
  std::string temporary = path + ".XXXXXX";
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) fail("create", temporary);
  try {
    if (::fchmod(fd.get(), mode) != 0) fail("chmod", temporary);
    write_all(fd.get(), content, temporary);
    if (::fsync(fd.get()) != 0) fail("fsync", temporary);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail("replace", path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  fd.reset();
  const std::size_t slash = path.find_last_of('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const UniqueFd directory_fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory_fd || ::fsync(directory_fd.get()) != 0) fail("fsync", directory);
}

UniqueFd memory_file(const char* name, std::string_view content) {
  UniqueFd file(::memfd_create(name, MFD_CLOEXEC));
  if (!file) fail("make in memory", name);
  write_all(file.get(), content, name);
  return file;
}

std::string read_from_start(int fd) {
  std::string content;
  std::array<char, 4096> block{};
  for (;;) {
    const ssize_t count =
        ::pread(fd, block.data(), block.size(), static_cast<off_t>(content.size()));
    if (count == 0) return content;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("read", "an open file");
    content.append(block.data(), static_cast<std::size_t>(count));
  }
}

std::optional<FileId> file_id(const std::string& path) noexcept {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return FileId{status.st_dev, status.st_ino};
}

std::optional<FileId> file_id(int fd) noexcept {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return std::nullopt;
  return FileId{status.st_dev, status.st_ino};
}

}  // namespace pmx::sys
