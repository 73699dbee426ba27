#include "common/sys/flock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace pmx::sys {
namespace {

UniqueFd open_lock(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw std::system_error(errno, std::generic_category(), "open " + path);
  return fd;
}

}  // namespace

std::optional<FileLock> FileLock::try_acquire(const std::string& path) {
  UniqueFd fd = open_lock(path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return FileLock(std::move(fd));
  if (errno == EWOULDBLOCK) return std::nullopt;
  throw std::system_error(errno, std::generic_category(), "lock " + path);
}

FileLock FileLock::acquire(const std::string& path) {
  UniqueFd fd = open_lock(path);
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "lock " + path);
  }
  return FileLock(std::move(fd));
}

void FileLock::write(const std::string& text) const {
  // In place: on a full disk the room that a truncated file gives up may be somebody else's at once.
  if (::pwrite(fd_.get(), text.data(), text.size(), 0) < 0 ||
      ::ftruncate(fd_.get(), static_cast<off_t>(text.size())) != 0) {
    throw std::system_error(errno, std::generic_category(), "write lock file");
  }
}

}  // namespace pmx::sys
