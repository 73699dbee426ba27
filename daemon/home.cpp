#include "daemon/home.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "common/base/error.h"
#include "common/sys/unix_socket.h"
#include "daemon/cluster/node_drain.h"

namespace pmx {
namespace {

constexpr int kListenBacklog = 1024;
constexpr off_t kLongLog = off_t{10} << 20;
constexpr const char* kDrainScript = "node-drain.cjs";

// Of a daemon that was started again after its log had been removed: the keeper's is of no use.
bool is_removed_file(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 0;
}

}  // namespace

Home::Home(Paths paths) : paths_(std::move(paths)) {
  if (!take_lock()) {
    throw Error(ErrorCode::already_running, fmt::format("another daemon serves {}", paths_.home()));
  }
  writes_log_ =
      is_removed_file(STDERR_FILENO) || sys::file_id(STDERR_FILENO) == sys::file_id(paths_.log());
  write_drain_script();
}

UniqueFd Home::listen(std::optional<gid_t> group) {
  UniqueFd listener = sys::listen_unix(paths_.socket(), kListenBacklog, SOCK_STREAM, group);
  socket_ = sys::file_id(paths_.socket());
  return listener;
}

std::set<std::string> Home::names() const {
  const std::string database = paths_.database_name();
  return {"pmx.sock",        "app.sock",   "pmx.pid", "pmx.log", database,
          database + "-wal", kDrainScript, "logs",    "pids"};
}

std::vector<std::string> Home::missing() const {
  if (!sys::file_id(paths_.home())) return {""};
  std::vector<std::string> found;
  for (const std::string& name : names()) {
    const bool may_be_absent = name == "pmx.log" && !writes_log_;
    if (!may_be_absent && !sys::file_id(paths_.home() + "/" + name)) found.push_back(name);
  }
  const auto add = [&found](const std::string& name, bool is_lost) {
    if (is_lost && std::find(found.begin(), found.end(), name) == found.end())
      found.push_back(name);
  };
  add("pmx.pid", !has_lock());
  add("pmx.sock", !has_socket());
  return found;
}

bool Home::has_lock() const {
  return lock_ && sys::file_id(lock_->fd()) == sys::file_id(paths_.pid_file());
}

bool Home::has_socket() const { return socket_ && sys::file_id(paths_.socket()) == socket_; }

bool Home::take_lock() {
  if (has_lock()) return true;
  std::optional<sys::FileLock> lock = sys::FileLock::try_acquire(paths_.pid_file());
  if (!lock) return false;
  lock->write(fmt::format("{}\n", ::getpid()));
  lock_ = std::move(lock);
  return true;
}

bool Home::log_is_lost() const {
  return writes_log_ && sys::file_id(STDERR_FILENO) != sys::file_id(paths_.log());
}

bool Home::log_is_long() const {
  struct stat status {};
  return writes_log_ && ::fstat(STDERR_FILENO, &status) == 0 && status.st_size > kLongLog;
}

// Not renamed: the keeper has it open as well. Both append, so they go on at its new end.
int Home::shorten_log(const std::string& path) {
  const std::string old = path + ".1";
  const std::string part = old + ".part";
  const UniqueFd in(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd out(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  int error = in && out ? 0 : errno;
  ssize_t copied = 1;
  while (error == 0 && copied > 0) {
    copied = ::sendfile(out.get(), in.get(), nullptr, kLongLog);
    if (copied < 0) error = errno;
  }
  if (error == 0 && ::rename(part.c_str(), old.c_str()) != 0) error = errno;
  if (error != 0) ::unlink(part.c_str());
  return ::truncate(path.c_str(), 0) != 0 && error == 0 ? errno : error;
}

void Home::make_again() {
  paths_.ensure_home();
  if (log_is_lost()) {
    const std::string path = paths_.log();
    const UniqueFd log(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
    if (!log) throw std::system_error(errno, std::generic_category(), "open " + path);
    ::dup2(log.get(), STDOUT_FILENO);
    ::dup2(log.get(), STDERR_FILENO);
  }
  write_drain_script();
}

void Home::write_drain_script() {
  drain_script_ = fmt::format("{}/{}", paths_.home(), kDrainScript);
  drain_script_error_.clear();
  try {
    if (sys::read_file(drain_script_) != kNodeDrainScript)
      sys::replace_file(drain_script_, kNodeDrainScript, 0600);
  } catch (const std::exception& error) {
    drain_script_.clear();
    drain_script_error_ = error.what();
  }
}

void Home::leave() {
  ::unlink(paths_.listen_socket().c_str());
  ::unlink(paths_.socket().c_str());
  ::unlink(paths_.pid_file().c_str());
}

void Home::hand_over() {
  ::unlink(paths_.socket().c_str());
  lock_ = std::nullopt;
}

}  // namespace pmx
