#include "daemon/cluster/seccomp_door.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/sys/process_view.h"
#include "daemon/shim/listen_socket.h"

namespace pmx {
namespace {

// In one turn of the event loop, for others to have theirs.
constexpr int kCallsPerTurn = 16;

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

// What the caller passes to bind(). nullopt: the kernel refuses it too, or it is of no interest.
std::optional<Address> address_of(const sys::WaitingCall& call) {
  Address address;
  const std::uint64_t size = call.arguments[2];
  if (size < sizeof(sa_family_t) || size > sizeof(address.bytes)) return std::nullopt;
  address.size = static_cast<socklen_t>(size);
  if (!sys::read_memory(call.tid, call.arguments[1], &address.bytes, address.size))
    return std::nullopt;
  if (address.bytes.ss_family != AF_INET && address.bytes.ss_family != AF_INET6)
    return std::nullopt;
  return address;
}

std::optional<Address> address_bound(int socket) {
  Address address;
  address.size = sizeof(address.bytes);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address.bytes), &address.size) != 0)
    return std::nullopt;
  return address;
}

}  // namespace

struct SeccompDoor::Watched {
  Watched(asio::io_context& io, Id number, UniqueFd fd, RunId whose)
      : id(number), run(whose), notify(io, fd.release()) {}
  Id id;
  std::optional<RunId> run;  // none: it has ended
  bool is_refused = false;   // we may not look into it, which has been told
  asio::posix::stream_descriptor notify;
};

class SeccompDoor::Watch : public BindWatch {
 public:
  Watch(SeccompDoor& door, Id id) : door_(door), id_(id) {}
  ~Watch() override { door_.leave(id_); }

 private:
  SeccompDoor& door_;
  Id id_;
};

SeccompDoor::SeccompDoor(asio::io_context& io, ListenerSet& listeners, Events events)
    : io_(io), listeners_(listeners), events_(std::move(events)) {}

SeccompDoor::~SeccompDoor() = default;

std::unique_ptr<BindWatch> SeccompDoor::watch(UniqueFd binds, RunId run, pid_t adopted) {
  const Id id = ++last_id_;
  const auto watched = std::make_shared<Watched>(io_, id, std::move(binds), run);
  watched_.emplace(id, watched);
  if (adopted == 0) {
    wait(watched);
  } else {
    // After the calls that have come meanwhile, whose callers need no push.
    asio::post(io_, [this, adopted, weak = std::weak_ptr(watched)] {
      const auto again = weak.lock();
      if (!again || !answer_all(again)) return;
      for (const pid_t process : sys::process_tree(adopted)) {
        for (const pid_t thread : sys::threads_in_call(process, {SYS_bind, SYS_listen}))
          sys::interrupt_call(process, thread);
      }
      wait(again);
    });
  }
  return std::make_unique<Watch>(*this, id);
}

void SeccompDoor::leave(Id id) {
  const auto found = watched_.find(id);
  if (found == watched_.end()) return;
  found->second->run.reset();
  const auto is_leftover = [](const auto& entry) { return !entry.second->run; };
  const auto count = std::count_if(watched_.begin(), watched_.end(), is_leftover);
  if (static_cast<std::size_t>(count) > kMaxLeftovers)
    watched_.erase(std::find_if(watched_.begin(), watched_.end(), is_leftover));
}

void SeccompDoor::wait(const std::shared_ptr<Watched>& watched) {
  watched->notify.async_wait(asio::posix::stream_descriptor::wait_read,
                             [this, weak = std::weak_ptr(watched)](const std::error_code& error) {
                               const auto again = weak.lock();
                               if (!error && again && answer_all(again)) wait(again);
                             });
}

bool SeccompDoor::answer_all(const std::shared_ptr<Watched>& watched) {
  const int fd = watched->notify.native_handle();
  for (int i = 0; i < kCallsPerTurn; ++i) {
    pollfd entry{fd, POLLIN, 0};
    if (::poll(&entry, 1, 0) <= 0) return true;
    if ((entry.revents & POLLIN) != 0) {
      if (const auto call = sys::next_call(fd)) answer(*watched, *call);
    } else if ((entry.revents & (POLLHUP | POLLERR)) != 0) {
      watched_.erase(watched->id);
      return false;
    }
  }
  return true;
}

void SeccompDoor::answer(Watched& watched, const sys::WaitingCall& call) {
  const int fd = watched.notify.native_handle();
  try {
    if (watched.run && call.tid != 0 && share(watched, call)) return;
  } catch (const std::system_error& error) {
    // It must not wait for ever whatever goes wrong.
    if (watched.run) events_.on_problem(*watched.run, error.what());
  }
  sys::let_through(fd, call.id);
}

bool SeccompDoor::share(Watched& watched, const sys::WaitingCall& call) {
  const int notify = watched.notify.native_handle();
  const RunId run = *watched.run;
  const bool is_bind = call.number == SYS_bind;
  const int number = static_cast<int>(call.arguments[0]);
  errno = 0;
  std::optional<Address> address = is_bind ? address_of(call) : std::nullopt;
  if (is_bind && !address) {
    if (errno == EPERM) refused(watched, call.tid);
    return false;
  }
  const auto process = sys::process_of_thread(call.tid);
  const UniqueFd own = process ? sys::descriptor_of(*process, number) : UniqueFd();
  if (!own) {
    if (errno == EPERM) refused(watched, call.tid);
    return false;
  }
  if (!is_bind) address = address_bound(own.get());
  pmx_listen_question question{};
  if (!address || pmx_describe_socket(own.get(), reinterpret_cast<const sockaddr*>(&address->bytes),
                                      address->size, &question) == 0)
    return false;
  const bool close_on_exec = sys::is_close_on_exec(*process, number);
  // Else all this may have been another process'.
  if (!sys::is_waiting(notify, call.id)) return false;

  const auto caller = events_.who(run, static_cast<int>(question.port));
  if (!caller) return false;
  if (!is_bind) {
    sys::let_through(notify, call.id);
    events_.on_listening(run);
    return true;
  }
  const ListenResult result = shared_socket(listeners_, *caller, question);
  if (result.error != 0) {
    sys::answer_call(notify, call.id, result.error);
    if (!result.problem.empty()) events_.on_problem(run, result.problem);
    return true;
  }
  pmx_make_alike(own.get(), result.fd);
  // Gone, or interrupted: then it asks again, and the same run gets the same socket.
  if (!sys::place_descriptor(notify, call.id, result.fd, number, close_on_exec)) return false;
  sys::answer_call(notify, call.id, 0);
  return true;
}

void SeccompDoor::refused(Watched& watched, pid_t tid) {
  if (std::exchange(watched.is_refused, true)) return;
  events_.on_problem(
      *watched.run,
      fmt::format(
          "process {} shares no port: the kernel does not let pmx look into it (it has more "
          "rights than pmx, or kernel.yama.ptrace_scope is not 0 and it is a child)",
          tid));
}

}  // namespace pmx
