#include "cli/log_view/followed_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "cli/log_view/old_log_reader.h"
#include "common/sys/old_logs.h"

namespace pmx {
namespace {

constexpr std::size_t kBlock = 64 * 1024;

using Block = std::array<char, kBlock>;

// As it was before it was compressed.
std::string plain_name(const std::string& path) {
  const bool is_compressed = path.ends_with(sys::kCompressedEnding);
  return is_compressed ? path.substr(0, path.size() - sys::kCompressedEnding.size()) : path;
}

// 0 at the end and on errors.
std::size_t read_at(int fd, Block& block, std::size_t count, off_t offset) {
  for (;;) {
    const ssize_t got = ::pread(fd, block.data(), std::min(count, kBlock), offset);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return 0;
  }
}

}  // namespace

int FollowedFile::open() {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) return errno;
  // A FIFO or tty would lose what we read from it.
  if (!S_ISREG(status.st_mode)) return ENOENT;
  fd_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  position_ = 0;
  const int error = fd_ ? 0 : errno;
  std::vector<std::string> old = sys::old_logs_of(path_);
  newest_old_ = old.empty() ? std::string() : plain_name(old.back());
  return error;
}

off_t FollowedFile::size() const {
  struct stat status {};
  return ::fstat(fd_.get(), &status) == 0 ? status.st_size : 0;
}

timespec FollowedFile::modified_at() const {
  struct stat status {};
  return ::fstat(fd_.get(), &status) == 0 ? status.st_mtim : timespec{};
}

namespace {

using Moment = std::pair<long long, long long>;

std::optional<Moment> birth_of(int fd) {
  struct statx status {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &status) != 0) return std::nullopt;
  if ((status.stx_mask & STATX_BTIME) == 0) return std::nullopt;
  return Moment(status.stx_btime.tv_sec, status.stx_btime.tv_nsec);
}

}  // namespace

bool FollowedFile::is_older_than(const timespec& time) const {
  const auto born = birth_of(fd_.get());
  return born && *born < Moment(time.tv_sec, time.tv_nsec);
}

bool FollowedFile::is_younger_than(const timespec& time) const {
  const auto born = birth_of(fd_.get());
  return born && *born > Moment(time.tv_sec, time.tv_nsec);
}

off_t FollowedFile::start_of_last_lines(off_t end, std::size_t lines) const {
  if (lines == 0) return end;
  Block block;
  std::size_t found = 0;
  for (off_t block_end = end; block_end > 0;) {
    const off_t block_begin = std::max<off_t>(0, block_end - off_t{kBlock});
    const std::size_t got =
        read_at(fd_.get(), block, static_cast<std::size_t>(block_end - block_begin), block_begin);
    // The newline at the very end finishes the last line, it does not begin another.
    std::size_t length = got;
    if (block_end == end && length > 0 && block[length - 1] == '\n') --length;
    while (length > 0) {
      const void* newline = ::memrchr(block.data(), '\n', length);
      if (newline == nullptr) break;
      length = static_cast<std::size_t>(static_cast<const char*>(newline) - block.data());
      if (++found == lines) return block_begin + static_cast<off_t>(length) + 1;
    }
    block_end = block_begin;
  }
  return 0;
}

void FollowedFile::read_range(off_t begin, off_t end, const Bytes& bytes) const {
  Block block;
  while (begin < end) {
    const std::size_t got = read_at(fd_.get(), block, static_cast<std::size_t>(end - begin), begin);
    if (got == 0) return;
    bytes({block.data(), got});
    begin += static_cast<off_t>(got);
  }
}

bool FollowedFile::follow(std::size_t limit, const Bytes& bytes,
                          const std::function<void()>& restart) {
  Block block;
  std::size_t total = 0;
  if (!fd_ && open() != 0) return false;
  for (;;) {
    // Looked up before the old file is read: what comes later goes to the new one.
    const bool has_successor = is_replaced();
    if (size() < position_) {
      restart();
      position_ = 0;
    }
    while (const std::size_t got = read_at(fd_.get(), block, kBlock, position_)) {
      bytes({block.data(), got});
      position_ += static_cast<off_t>(got);
      total += got;
      if (total >= limit) return true;
    }
    if (!has_successor) return false;
    read_skipped(false, bytes, restart);
    const std::string newest = newest_old_;
    restart();
    if (open() != 0) return false;
    newest_old_ = newest;
    read_skipped(true, bytes, restart);
  }
}

// More than one rotation may come between two looks. `until_ours`: only those before the open file,
// should that have been put aside too.
void FollowedFile::read_skipped(bool until_ours, const Bytes& bytes,
                                const std::function<void()>& restart) {
  struct stat ours {};
  ::fstat(fd_.get(), &ours);
  std::vector<std::string> skipped;
  for (std::string& old : sys::old_logs_of(path_)) {
    if (plain_name(old) > newest_old_) skipped.push_back(std::move(old));
  }
  // By its number; one that is compressed is another file, but keeps the time.
  const auto is_ours = [&ours](bool is_compressed) {
    return [&ours, is_compressed](const std::string& path) {
      struct stat status {};
      if (path.ends_with(sys::kCompressedEnding) != is_compressed ||
          ::stat(path.c_str(), &status) != 0) {
        return false;
      }
      return is_compressed ? status.st_mtim.tv_sec == ours.st_mtim.tv_sec &&
                                 status.st_mtim.tv_nsec == ours.st_mtim.tv_nsec
                           : status.st_ino == ours.st_ino && status.st_dev == ours.st_dev;
    };
  };
  auto own = std::find_if(skipped.begin(), skipped.end(), is_ours(false));
  if (own == skipped.end()) own = std::find_if(skipped.begin(), skipped.end(), is_ours(true));
  for (auto old = skipped.begin(); old != skipped.end(); ++old) {
    if (old == own && until_ours) return;
    newest_old_ = plain_name(*old);
    if (old == own) continue;
    restart();
    read_old_log(*old, bytes);
  }
}

bool FollowedFile::is_replaced() const {
  struct stat named {};
  struct stat opened {};
  return ::stat(path_.c_str(), &named) == 0 && S_ISREG(named.st_mode) && named.st_size > 0 &&
         ::fstat(fd_.get(), &opened) == 0 &&
         (named.st_ino != opened.st_ino || named.st_dev != opened.st_dev);
}

}  // namespace pmx
