#include "cli/unit_store.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/protocol/unit_store.h"
#include "common/sys/passed_fds.h"
#include "common/sys/unix_socket.h"

namespace pmx::cli {
namespace {

constexpr unsigned kFirstStored = 3;  // SD_LISTEN_FDS_START

}  // namespace

SystemdNotifier::SystemdNotifier() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || path[0] == '\0') return;
  path_ = path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::min(path_.size(), sizeof address.sun_path - 1);
  std::memcpy(address.sun_path, path, length);
  if (path_.front() == '@') address.sun_path[0] = '\0';
  socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const auto* where = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(socket_.get(), where, size) != 0) error_ = errno;
}

void SystemdNotifier::tell(const std::string& text, const std::vector<int>& fds) const {
  if (!socket_) return;
  int error = error_;
  if (error == 0 && !sys::send_with_fds(socket_.get(), text, fds, 0)) error = errno;
  if (error == 0) return;
  throw Error(ErrorCode::unavailable,
              fmt::format("cannot tell systemd ({}): {}", path_, std::strerror(error)));
}

StoredDescriptors stored_descriptors() {
  const char* const process = std::getenv("LISTEN_PID");
  const char* const count = std::getenv("LISTEN_FDS");
  const char* const names = std::getenv("LISTEN_FDNAMES");
  if (process == nullptr || count == nullptr || names == nullptr ||
      std::atoi(process) != ::getpid())
    return {};
  return {std::max(std::atoi(count), 0), names};
}

void close_stored_descriptors() {
  const auto count = static_cast<unsigned>(stored_descriptors().count);
  if (count > 0) ::close_range(kFirstStored, kFirstStored + count - 1, 0);
  for (const char* const name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
}

UnitStore::UnitStore(std::string path, const SystemdNotifier& notifier)
    : path_(std::move(path)),
      notifier_(notifier),
      listener_(sys::listen_unix(path_, 1, SOCK_SEQPACKET)) {
  const std::string names = stored_descriptors().names;
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = std::min(names.find(':', at), names.size());
    names_.insert(names.substr(at, end - at));
    at = end + 1;
  }
}

UnitStore::~UnitStore() { ::unlink(path_.c_str()); }

void UnitStore::handle() {
  if (!connection_) {
    accept_latest();
    return;
  }
  const std::optional<sys::PassedFds> passed = sys::receive_with_fds(connection_.get(), 0);
  if (!passed && errno == EAGAIN) return;
  if (!passed || passed->text.empty()) {
    connection_.reset();
    accept_latest();
    return;
  }
  if (passed->text == protocol::kMirrored) {
    std::vector<std::string> past;
    std::set_difference(names_.begin(), names_.end(), seen_.begin(), seen_.end(),
                        std::back_inserter(past));
    for (const std::string& name : past) forget(name);
    return;
  }
  if (names_.contains(passed->text)) forget(passed->text);
  if (passed->fds.empty()) return;
  std::vector<int> fds;
  for (const UniqueFd& fd : passed->fds) fds.push_back(fd.get());
  // Without FDPOLL=0 it would drop a pipe or socket whose other end is closed for a moment.
  notifier_.tell(fmt::format("FDSTORE=1\nFDPOLL=0\nFDNAME={}", passed->text), fds);
  names_.insert(passed->text);
  seen_.insert(passed->text);
}

// The daemon has one connection; earlier ones are of before it was asked again.
void UnitStore::accept_latest() {
  for (;;) {
    UniqueFd next(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!next) return;
    connection_ = std::move(next);
    seen_.clear();
  }
}

void UnitStore::forget(const std::string& name) {
  notifier_.tell(fmt::format("FDSTOREREMOVE=1\nFDNAME={}", name));
  names_.erase(name);
}

}  // namespace pmx::cli
