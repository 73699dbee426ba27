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
#include <cstring>
#include <utility>

#include "common/sys/old_logs.h"

namespace pmx {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0700;
constexpr std::size_t kCopyBlock = 64 * 1024;
// A file without an end of a line grows by no more than this beyond its size.
constexpr std::uint64_t kLongestWait = 1024 * 1024;
constexpr int kMostInOneSecond = 1000;

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
    std::size_t wanted = limit - moved.bytes;
    if (must_begin_line_ && (moved.error = append_lines("")) != 0) break;
    if (is_due()) {
      const bool waits = static_cast<std::uint64_t>(end_) < due_size() + kLongestWait;
      if (!waits || ends_line()) {
        put_aside_now();
        continue;
      }
      wanted = rest_of_line(pipe, wanted);
      if (wanted == 0) break;
    } else if (max_size_ > static_cast<std::uint64_t>(end_) && is_regular_) {
      wanted = std::min<std::size_t>(wanted, max_size_ - static_cast<std::uint64_t>(end_));
    }
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

int LogFile::finish_unwritten() {
  if (unwritten_.empty()) return 0;
  if (const int error = prepare_to_append(); error != 0) return error;
  const std::string text = std::exchange(unwritten_, "");
  if (!append(text)) {
    unwritten_ = text;
    return errno;
  }
  return unwritten_.empty() ? 0 : EAGAIN;
}

int LogFile::append_lines(std::string_view text) {
  if (const int error = finish_unwritten(); error != 0) return error;
  if (const int error = prepare_to_append(); error != 0) return error;
  if (is_due() && ends_line()) {
    put_aside_now();
    if (const int error = prepare_to_append(); error != 0) return error;
  }
  if (must_begin_line_ && is_regular_ && end_ > 0 && !ends_line()) {
    if (!append("\n")) return errno;
    ++end_;
  }
  must_begin_line_ = false;
  return text.empty() || append(text) ? 0 : errno;
}

LogFile::Moved LogFile::move_lines_from(int pipe, std::size_t limit, const LineFramer& framer,
                                        bool all, Copy* copy) {
  Moved moved;
  std::string bytes;
  while (moved.bytes < limit) {
    moved.error = finish_unwritten();
    if (moved.error == 0) moved.error = prepare_to_append();
    if (moved.error != 0) break;
    const auto longest = static_cast<std::size_t>(std::max(::fcntl(pipe, F_GETPIPE_SZ), 8192)) / 2;
    const long count = peek(pipe, std::max(longest, std::size_t{64} * 1024), bytes);
    if (count == 0) moved.ended = true;
    if (count < 0 && errno != EAGAIN) moved.error = errno;
    if (count <= 0) break;
    const auto now = std::chrono::system_clock::now();
    const LineFramer::Framed framed = framer.frame(
        bytes, all || (bytes.size() >= longest && bytes.find('\n') == bytes.npos), now);
    if (framed.used == 0) break;
    if (copy != nullptr && copy->ahead < framed.used) {
      const std::string_view beyond(bytes.data() + copy->ahead, framed.used - copy->ahead);
      moved.error = copy->file.append_lines(
          copy->ahead == 0 ? framed.text : framer.frame(beyond, true, now).text);
      moved.of_copy = moved.error != 0;
      if (moved.error != 0) break;
      copy->ahead = framed.used;
      // The next line there may be of the other stream.
      if (!framed.text.ends_with('\n')) copy->file.begin_line();
    }
    moved.error = append_lines(framed.text);
    if (moved.error != 0) break;
    std::size_t taken = 0;
    while (taken < framed.used) {
      const ssize_t got = ::read(pipe, bytes.data(), framed.used - taken);
      if (got <= 0) break;
      taken += static_cast<std::size_t>(got);
    }
    if (copy != nullptr) copy->ahead -= std::min(copy->ahead, taken);
    moved.bytes += taken;
  }
  return moved;
}

std::uint64_t LogFile::due_size() const noexcept {
  std::uint64_t size = due_from_.value_or(UINT64_MAX);
  if (max_size_ > 0) size = std::min(size, std::max(max_size_, not_before_));
  return size;
}

bool LogFile::is_due() const noexcept {
  return is_regular_ && end_ > 0 && static_cast<std::uint64_t>(end_) >= due_size();
}

bool LogFile::ends_line() const {
  // We have it open for writing only; by this name it is the same file, wherever it has gone.
  const std::string self = "/proc/self/fd/" + std::to_string(fd_.get());
  const UniqueFd file(::open(self.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  char last = '\n';
  return !file || ::pread(file.get(), &last, 1, end_ - 1) != 1 || last == '\n';
}

std::size_t LogFile::rest_of_line(int pipe, std::size_t limit) {
  std::string bytes;
  const long count = peek(pipe, std::min(limit, kCopyBlock), bytes);
  if (count <= 0) return count == 0 ? limit : 0;
  const std::size_t newline = bytes.find('\n');
  return newline == std::string::npos ? bytes.size() : newline + 1;
}

void LogFile::put_aside() {
  if (open() != 0 || prepare_to_append() != 0 || !is_regular_ || end_ == 0) return;
  if (ends_line()) return put_aside_now();
  due_from_ = static_cast<std::uint64_t>(end_);
}

void LogFile::put_aside_now() {
  due_from_.reset();
  struct stat ours {};
  struct stat named {};
  if (::fstat(fd_.get(), &ours) != 0 || ::stat(path_.c_str(), &named) != 0 ||
      ours.st_ino != named.st_ino || ours.st_dev != named.st_dev) {
    close();  // somebody else has put it aside
    return;
  }
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  // A number of this second whose file is gone already is not given again: names are in order of age.
  if (std::exchange(aside_at_, now) != now) next_aside_ = 0;
  int error = EEXIST;
  for (; error == EEXIST && next_aside_ < kMostInOneSecond; ++next_aside_) {
    const std::string old = sys::old_log_path(path_, now, next_aside_);
    const std::string compressed = old + std::string(sys::kCompressedEnding);
    if (::access(compressed.c_str(), F_OK) == 0) continue;
    const auto rename_with = [&](unsigned flags) {
      return ::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, old.c_str(), flags) == 0 ? 0 : errno;
    };
    error = rename_with(RENAME_NOREPLACE);
    // A file system that does not know the flag.
    if (error == EINVAL && ::access(old.c_str(), F_OK) != 0) error = rename_with(0);
  }
  if (error != 0) {
    not_before_ = static_cast<std::uint64_t>(end_) + std::max(max_size_, kLongestWait);
    complaint_ = std::strerror(error);
    return;
  }
  close();
  not_before_ = 0;
  was_put_aside_ = true;
  if (open() != 0) return;  // the next move tries again, and says why
  (void)!::fchown(fd_.get(), ours.st_uid, ours.st_gid);
  ::fchmod(fd_.get(), ours.st_mode & 07777);
}

void LogFile::announce() noexcept {
  if (!is_regular_ || !can_splice_ || !splice_is_silent()) return;
  // A new modification time alone raises IN_MODIFY. Best effort: only the owner may.
  const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, timespec{0, UTIME_NOW}};
  ::futimens(fd_.get(), times.data());
}

}  // namespace pmx
