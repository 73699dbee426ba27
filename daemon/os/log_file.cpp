#include "daemon/os/log_file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

namespace pmx {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0700;
constexpr std::size_t kCopyBlock = 64 * 1024;

int make_directories_for(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string directory = path.substr(0, slash);
    if (::mkdir(directory.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
      // An existing directory on a read-only file system says EROFS, one without rights EACCES.
      struct stat status {};
      const int error = errno;
      if (::stat(directory.c_str(), &status) != 0) return error;
    }
  }
  return 0;
}

// Older kernels do not tell inotify about splice(2), so `tail -f` would show nothing.
bool splice_is_silent() {
  static const bool silent = [] {
    constexpr int kTellsSinceMajor = 6;
    constexpr int kTellsSinceMinor = 6;
    struct utsname system {};
    int major = 0;
    int minor = 0;
    if (::uname(&system) != 0 || std::sscanf(system.release, "%d.%d", &major, &minor) != 2) {
      return true;
    }
    return major < kTellsSinceMajor || (major == kTellsSinceMajor && minor < kTellsSinceMinor);
  }();
  return silent;
}

}  // namespace

std::size_t bytes_in_pipe(int pipe) noexcept {
  int count = 0;
  if (::ioctl(pipe, FIONREAD, &count) != 0 || count < 0) return 0;
  return static_cast<std::size_t>(count);
}

int LogFile::open() {
  if (fd_) return 0;
  // Not O_APPEND: splice refuses it. O_NONBLOCK: a FIFO or tty must not hold up the thread.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  UniqueFd opened(::open(path_.c_str(), kFlags, kFileMode));
  if (!opened && errno == ENOENT) {
    if (const int error = make_directories_for(path_); error != 0) return error;
    opened.reset(::open(path_.c_str(), kFlags, kFileMode));
  }
  struct stat status {};
  if (!opened || ::fstat(opened.get(), &status) != 0) return errno;
  is_regular_ = S_ISREG(status.st_mode);
  can_splice_ = true;
  fd_ = std::move(opened);
  return 0;
}

int LogFile::prepare_to_append() {
  constexpr int kAttempts = 2;  // the second one for a file that was deleted
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (const int error = open(); error != 0) return error;
    if (!is_regular_) return 0;
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) return errno;
    end_ = status.st_size;
    if (status.st_nlink > 0) return 0;
    close();
  }
  return ENOENT;
}

LogFile::Moved LogFile::move_from(int pipe, std::size_t limit) {
  Moved moved;
  while (moved.bytes < limit) {
    moved.error = prepare_to_append();
    if (moved.error != 0) break;
    const std::size_t wanted = limit - moved.bytes;
    const long count = can_splice_ ? splice_from(pipe, wanted) : copy_from(pipe, wanted);
    if (count > 0) {
      moved.bytes += static_cast<std::size_t>(count);
      // Less than wanted: the pipe was emptied. If it was the target that gave out, the next call
      // learns it.
      if (static_cast<std::size_t>(count) < wanted) break;
    } else if (count == 0) {
      moved.ended = true;
      break;
    } else if (errno == EAGAIN) {
      if (!is_regular_ && bytes_in_pipe(pipe) > 0) moved.error = EAGAIN;
      break;
    } else if (errno == EINVAL && can_splice_) {
      can_splice_ = false;
    } else if (errno != EINTR) {
      moved.error = errno;
      break;
    }
  }
  if (moved.bytes > 0) announce();
  return moved;
}

long LogFile::splice_from(int pipe, std::size_t limit) {
  off64_t offset = end_;
  return ::splice(pipe, nullptr, fd_.get(), is_regular_ ? &offset : nullptr, limit,
                  SPLICE_F_NONBLOCK);
}

// `tee` leaves the bytes in the pipe; they are taken out only when written.
long LogFile::copy_from(int pipe, std::size_t limit) {
  if (!copy_read_) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return -1;
    copy_read_.reset(ends[0]);
    copy_write_.reset(ends[1]);
  }
  std::array<char, kCopyBlock> block;
  const ssize_t copied =
      ::tee(pipe, copy_write_.get(), limit < kCopyBlock ? limit : kCopyBlock, SPLICE_F_NONBLOCK);
  if (copied <= 0) return copied;
  const ssize_t got = ::read(copy_read_.get(), block.data(), static_cast<std::size_t>(copied));
  if (got < 0) return -1;
  const auto size = static_cast<std::size_t>(got);
  const ssize_t written = is_regular_ ? ::pwrite(fd_.get(), block.data(), size, end_)
                                      : ::write(fd_.get(), block.data(), size);
  if (written <= 0) return -1;
  return ::read(pipe, block.data(), static_cast<std::size_t>(written));
}

void LogFile::announce() noexcept {
  if (!is_regular_ || !can_splice_ || !splice_is_silent()) return;
  // A new modification time alone raises IN_MODIFY. Best effort: only the owner may.
  const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, timespec{0, UTIME_NOW}};
  ::futimens(fd_.get(), times.data());
}

}  // namespace pmx
