#include "common/sys/seccomp.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>
#include <system_error>
#include <vector>

namespace pmx::sys {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "bind_filter() has to learn this architecture: its AUDIT_ARCH_ name"
#endif

constexpr sock_filter statement(int code, std::uint32_t value) {
  return {static_cast<std::uint16_t>(code), 0, 0, value};
}
constexpr sock_filter jump_if_equal(std::uint32_t value, std::uint8_t then,
                                    std::uint8_t otherwise) {
  return {BPF_JMP | BPF_JEQ | BPF_K, then, otherwise, value};
}

constexpr std::array<sock_filter, 7> kFilter{
    statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
    jump_if_equal(kArchitecture, 0, 4),
    statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    jump_if_equal(SYS_bind, 1, 0),
    jump_if_equal(SYS_listen, 0, 1),
    statement(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

// It runs on a stack of which the sanitizer must not know (daemon/os/child_exec.cpp).
#define PMX_IN_CHILD __attribute__((no_sanitize("address", "undefined"), noinline))

PMX_IN_CHILD int install() noexcept {
  sock_fprog program{};
  program.len = kFilter.size();
  program.filter = const_cast<sock_filter*>(kFilter.data());  // the kernel only reads it
  // It confines nobody, so it need not slow anybody down (speculation is restricted else).
  constexpr unsigned kFlags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kFlags, &program));
}

// Since 5.9. A kernel that knows it says that there is no such call.
PMX_IN_CHILD bool can_place_descriptors(int notify) noexcept {
  seccomp_notif_addfd wish{};
  wish.flags = SECCOMP_ADDFD_FLAG_SETFD;
  return ::syscall(SYS_ioctl, notify, SECCOMP_IOCTL_NOTIF_ADDFD, &wish) == 0 || errno == ENOENT;
}

// The kernel writes its own idea of these structs, which may be longer than ours.
template <class Struct>
class Buffer {
 public:
  explicit Buffer(std::size_t kernel_size)
      : memory_(std::max(kernel_size, sizeof(Struct)) / sizeof(std::uint64_t) + 1) {}
  Struct* get() { return new (memory_.data()) Struct{}; }

 private:
  std::vector<std::uint64_t> memory_;
};

void respond(int notify, std::uint64_t id, int error, std::uint32_t flags) noexcept {
  static const std::size_t size = [] {
    seccomp_notif_sizes sizes{};
    return ::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0
               ? std::size_t{sizes.seccomp_notif_resp}
               : sizeof(seccomp_notif_resp);
  }();
  Buffer<seccomp_notif_resp> buffer(size);
  seccomp_notif_resp* response = buffer.get();
  response->id = id;
  response->error = -error;
  response->flags = flags;
  // Without effect if the caller is gone, or was interrupted: it asks again then.
  while (::ioctl(notify, SECCOMP_IOCTL_NOTIF_SEND, response) != 0 && errno == EINTR) {
  }
}

}  // namespace

std::span<const sock_filter> bind_filter() noexcept { return kFilter; }

PMX_IN_CHILD int install_bind_filter() noexcept {
  int notify = install();
  if (notify < 0 && errno == EACCES &&
      ::syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) == 0)
    notify = install();
  if (notify < 0) return -1;
  if (!can_place_descriptors(notify)) {
    errno = ENOSYS;
    return -1;
  }
  // The holder is no ancestor of ours. Where Yama lets only ancestors look into a process
  // (ptrace_scope 1), this one has to permit it; unknown elsewhere.
  ::syscall(SYS_prctl, PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0UL, 0UL, 0UL);
  return notify;
}

std::optional<WaitingCall> next_call(int notify) {
  static const std::size_t size = [] {
    seccomp_notif_sizes sizes{};
    return ::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0
               ? std::size_t{sizes.seccomp_notif}
               : sizeof(seccomp_notif);
  }();
  Buffer<seccomp_notif> buffer(size);
  seccomp_notif* notification = buffer.get();
  if (::ioctl(notify, SECCOMP_IOCTL_NOTIF_RECV, notification) != 0) {
    if (errno == ENOENT || errno == EINTR || errno == EAGAIN) return std::nullopt;
    throw std::system_error(errno, std::generic_category(), "receive seccomp notification");
  }
  WaitingCall call;
  call.id = notification->id;
  call.tid = static_cast<pid_t>(notification->pid);
  call.number = notification->data.nr;
  std::copy(std::begin(notification->data.args), std::end(notification->data.args),
            call.arguments.begin());
  return call;
}

bool is_waiting(int notify, std::uint64_t id) noexcept {
  return ::ioctl(notify, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

bool place_descriptor(int notify, std::uint64_t id, int fd, int number,
                      bool close_on_exec) noexcept {
  seccomp_notif_addfd wish{};
  wish.id = id;
  wish.flags = SECCOMP_ADDFD_FLAG_SETFD;
  wish.srcfd = static_cast<std::uint32_t>(fd);
  wish.newfd = static_cast<std::uint32_t>(number);
  wish.newfd_flags = close_on_exec ? static_cast<std::uint32_t>(O_CLOEXEC) : 0U;
  int result = 0;
  do {
    result = ::ioctl(notify, SECCOMP_IOCTL_NOTIF_ADDFD, &wish);
  } while (result < 0 && errno == EINTR);
  return result >= 0;
}

void answer_call(int notify, std::uint64_t id, int error) noexcept {
  respond(notify, id, error, 0);
}

void let_through(int notify, std::uint64_t id) noexcept {
  respond(notify, id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

}  // namespace pmx::sys
