#include "daemon/os/log_file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <utility>

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

long LogFile::peek(int pipe, std::size_t limit, std::string& bytes) {
  if (!copy_read_) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return -1;
    copy_read_.reset(ends[0]);
    copy_write_.reset(ends[1]);
  }
  const int size = ::fcntl(pipe, F_GETPIPE_SZ);
  if (size > ::fcntl(copy_write_.get(), F_GETPIPE_SZ))
    ::fcntl(copy_write_.get(), F_SETPIPE_SZ, size);
  const ssize_t copied = ::tee(pipe, copy_write_.get(), limit, SPLICE_F_NONBLOCK);
  if (copied <= 0) return copied;
  bytes.resize(static_cast<std::size_t>(copied));
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t count = ::read(copy_read_.get(), bytes.data() + got, bytes.size() - got);
    if (count <= 0) return -1;
    got += static_cast<std::size_t>(count);
  }
  return copied;
}

bool LogFile::append(std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = is_regular_ ? ::pwrite(fd_.get(), text.data() + done, text.size() - done,
                                                 end_ + static_cast<long long>(done))
                                      : ::write(fd_.get(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count > 0) {
      done += static_cast<std::size_t>(count);
      continue;
    }
    const int error = count == 0 ? EIO : errno;
    // Half a line is none: it stays in the pipe.
    if (is_regular_ && done > 0) (void)!::ftruncate(fd_.get(), end_);
    if (!is_regular_ && done > 0) {
      unwritten_ = text.substr(done);
      return true;
    }
    errno = error;
    return false;
  }
  return true;
}

LogFile::Moved LogFile::move_lines_from(int pipe, std::size_t limit, const LineFramer& framer,
                                        bool all) {
  Moved moved;
  std::string bytes;
  while (moved.bytes < limit) {
    moved.error = prepare_to_append();
    if (moved.error != 0) break;
    if (!unwritten_.empty()) {
      std::string rest = std::exchange(unwritten_, "");
      if (!append(rest)) {
        moved.error = errno;
        unwritten_ = std::move(rest);
        break;
      }
    }
    if (!unwritten_.empty()) {
      moved.error = EAGAIN;
      break;
    }
    const auto longest = static_cast<std::size_t>(std::max(::fcntl(pipe, F_GETPIPE_SZ), 8192)) / 2;
    const long count = peek(pipe, std::max(longest, std::size_t{64} * 1024), bytes);
    if (count == 0) moved.ended = true;
    if (count < 0 && errno != EAGAIN) moved.error = errno;
    if (count <= 0) break;
    const LineFramer::Framed framed =
        framer.frame(bytes, all || (bytes.size() >= longest && bytes.find('\n') == bytes.npos),
                     std::chrono::system_clock::now());
    if (framed.used == 0) break;
    if (!append(framed.text)) {
      moved.error = errno;
      break;
    }
    std::size_t taken = 0;
    while (taken < framed.used) {
      const ssize_t got = ::read(pipe, bytes.data(), framed.used - taken);
      if (got <= 0) break;
      taken += static_cast<std::size_t>(got);
    }
    moved.bytes += taken;
  }
  return moved;
}

void LogFile::announce() noexcept {
  if (!is_regular_ || !can_splice_ || !splice_is_silent()) return;
  // A new modification time alone raises IN_MODIFY. Best effort: only the owner may.
  const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, timespec{0, UTIME_NOW}};
  ::futimens(fd_.get(), times.data());
}

}  // namespace pmx
