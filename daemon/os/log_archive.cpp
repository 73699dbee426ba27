#include "daemon/os/log_archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/sys/old_logs.h"

namespace pmx {
namespace {

constexpr int kLowestPriority = 19;
constexpr std::size_t kBlock = 128 * 1024;
// Beside the result until that is whole.
constexpr const char* kUnfinished = ".part";

std::string part_of(const std::string& path) {
  return path + std::string(sys::kCompressedEnding) + kUnfinished;
}

// Returns 0, errno, or ECANCELED. `out` is given away.
int compress_into(int in, UniqueFd out, const std::stop_token& stop) {
  const UniqueFd to_sync(::fcntl(out.get(), F_DUPFD_CLOEXEC, 0));
  gzFile file = ::gzdopen(out.get(), "wb");
  if (!to_sync || file == nullptr) return ENOMEM;
  (void)out.release();
  std::vector<char> block(kBlock);
  int error = 0;
  while (error == 0) {
    if (stop.stop_requested()) {
      error = ECANCELED;
      break;
    }
    const ssize_t got = ::read(in, block.data(), block.size());
    if (got == 0) break;
    if (got < 0) {
      if (errno != EINTR) error = errno;
      continue;
    }
    errno = 0;
    if (::gzwrite(file, block.data(), static_cast<unsigned>(got)) != got)
      error = errno != 0 ? errno : EIO;
  }
  errno = 0;
  if (::gzclose(file) != Z_OK && error == 0) error = errno != 0 ? errno : EIO;
  // The original goes next: what takes its place must be there after a power failure too.
  if (error == 0 && ::fsync(to_sync.get()) != 0) error = errno;
  return error;
}

// Replaces `path` by its compressed form, of the same age and rights.
int compress_file(const std::string& path, const std::stop_token& stop) {
  const UniqueFd in(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status {};
  if (!in || ::fstat(in.get(), &status) != 0) return errno;
  const std::string whole = path + std::string(sys::kCompressedEnding);
  const std::string part = part_of(path);
  UniqueFd out(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                      status.st_mode & 0777));
  if (!out) return errno;
  (void)!::fchown(out.get(), status.st_uid, status.st_gid);
  int error = compress_into(in.get(), std::move(out), stop);
  const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
  ::utimensat(AT_FDCWD, part.c_str(), times.data(), 0);
  if (error == 0 && ::rename(part.c_str(), whole.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(part.c_str());
    return error;
  }
  ::unlink(path.c_str());
  return 0;
}

}  // namespace

class LogArchive::Worker {
 public:
  explicit Worker(const Report& report)
      : report_(report), thread_([this](const std::stop_token& stop) { run(stop); }) {}

  void tidy(const std::string& path, int retain, bool compress) {
    {
      const std::lock_guard lock(mutex_);
      tasks_[path] = {retain, compress};
    }
    changed_.notify_one();
  }

 private:
  struct Task {
    int retain = 0;
    bool compress = false;
  };

  void run(const std::stop_token& stop) {
    sigset_t all;
    ::sigfillset(&all);  // signals belong to the control thread
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    ::pthread_setname_np(::pthread_self(), "pmxd-archive");
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLowestPriority);
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return !tasks_.empty(); })) {
      const auto task = tasks_.extract(tasks_.begin());
      lock.unlock();
      tidy_now(task.key(), task.mapped(), stop);
      lock.lock();
    }
  }

  void tidy_now(const std::string& path, const Task& task, const std::stop_token& stop) {
    std::vector<std::string> old = sys::old_logs_of(path);
    const auto kept = static_cast<std::size_t>(task.retain);
    const std::size_t extra = old.size() > kept ? old.size() - kept : 0;
    for (std::size_t i = 0; i < extra; ++i) {
      if (::unlink(old[i].c_str()) != 0 && errno != ENOENT)
        report_(fmt::format("cannot remove {}: {}", old[i], std::strerror(errno)));
      // Of a daemon that ended in the middle.
      ::unlink(part_of(old[i]).c_str());
    }
    if (!task.compress) return;
    for (std::size_t i = extra; i < old.size() && !stop.stop_requested(); ++i) {
      if (old[i].ends_with(sys::kCompressedEnding)) continue;
      const int error = compress_file(old[i], stop);
      if (error == 0 || error == ECANCELED || error == ENOENT) continue;
      report_(fmt::format("cannot compress {}: {}", old[i], std::strerror(error)));
      return;  // with the next one it is tried again
    }
  }

  const Report& report_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, Task> tasks_;  // by path; guarded by mutex_
  std::jthread thread_;
};

LogArchive::LogArchive(Report report) : report_(std::move(report)) {}

LogArchive::~LogArchive() = default;

void LogArchive::tidy(const std::string& path, int retain, bool compress) {
  if (!worker_) worker_ = std::make_unique<Worker>(report_);
  worker_->tidy(path, retain, compress);
}

}  // namespace pmx
