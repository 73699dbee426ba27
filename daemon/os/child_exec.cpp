#include "daemon/os/child_exec.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <system_error>

#include "common/sys/seccomp.h"

namespace pmx {
namespace {

constexpr std::size_t kStackBytes = std::size_t{64} * 1024;
constexpr int kFirstSocket = 3;

// The sanitizer would leave marks for this stack in memory that parent and child share.
#define PMX_IN_CHILD __attribute__((no_sanitize("address", "undefined"), noinline))

PMX_IN_CHILD int fail(ChildPlan* plan, const char* stage) noexcept {
  plan->failed_errno = errno;
  plan->failed_stage = stage;
  ::_exit(127);
}

// The kernel's own layout. glibc's sigaction refuses two signals that it uses itself, and those can be inherited as ignored.
struct KernelAction {
  void* handler = nullptr;  // SIG_DFL
  unsigned long flags = 0;
  void* restorer = nullptr;
  unsigned long mask = 0;
};

PMX_IN_CHILD void reset_signals() noexcept {
  const KernelAction action;
  for (int number = 1; number < NSIG; ++number) {
    ::syscall(SYS_rt_sigaction, number, &action, nullptr,
              sizeof action.mask);  // KILL, STOP: refused, harmless
  }
}

PMX_IN_CHILD void write_number(char* out, int number) noexcept {
  int size = 1;
  for (int rest = number; rest >= 10; rest /= 10) ++size;
  out[size] = '\0';
  for (; size > 0; number /= 10) out[--size] = static_cast<char>('0' + number % 10);
}

// System calls themselves where glibc would first ask other threads to do the same: in the child
// there is only this one, but the memory says otherwise.
PMX_IN_CHILD const char* take_identity(const sys::ChildLimits& limits) noexcept {
  if (!limits.uid && !limits.gid) return nullptr;
  // Only root may; others have asked for what they are already.
  if (::syscall(SYS_geteuid) != 0) return nullptr;
  if (::syscall(SYS_setgroups, limits.groups.size(), limits.groups.data()) != 0) return "setgroups";
  if (limits.gid && ::syscall(SYS_setresgid, *limits.gid, *limits.gid, *limits.gid) != 0)
    return "setgid";
  if (limits.uid && ::syscall(SYS_setresuid, *limits.uid, *limits.uid, *limits.uid) != 0)
    return "setuid";
  return nullptr;
}

// What failed, or nullptr.
PMX_IN_CHILD const char* take_limits(const ChildPlan& plan) noexcept {
  const sys::ChildLimits& limits = *plan.limits;
  if (plan.oom_score_adj != nullptr) {
    const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    std::size_t size = 0;
    while (plan.oom_score_adj[size] != '\0') ++size;
    if (file < 0 || ::write(file, plan.oom_score_adj, size) < 0) return "oom_score_adj";
    ::close(file);
  }
  if (limits.nice && ::setpriority(PRIO_PROCESS, 0, *limits.nice) != 0) return "nice";
  if (limits.io_priority &&
      ::syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, *limits.io_priority) != 0)
    return "ionice";
  if (limits.cpus && ::sched_setaffinity(0, sizeof *limits.cpus, &*limits.cpus) != 0)
    return "cpu_affinity";
  for (const sys::ChildLimits::Rlimit& limit : limits.rlimits) {
    if (::syscall(SYS_prlimit64, 0, limit.resource, &limit.value, nullptr) != 0) return "limits";
  }
  if (const char* const failed = take_identity(limits)) return failed;
  if (limits.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return "no_new_privs";
  return nullptr;
}

// The other end is read after the exec: it must fit into the socket's buffer, and does.
PMX_IN_CHILD bool send_descriptor(int socket, int fd) noexcept {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = static_cast<char*>(control);
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  *reinterpret_cast<int*>(CMSG_DATA(header)) = fd;
  return ::syscall(SYS_sendmsg, socket, &message, MSG_NOSIGNAL) == 1;
}

PMX_IN_CHILD int run_child(void* argument) noexcept {
  auto* plan = static_cast<ChildPlan*>(argument);
  reset_signals();
  if (::setsid() < 0) return fail(plan, "setsid");
  // It only makes the tree easier to find: without it the app runs as well.
  if (plan->cgroup >= 0) (void)!::write(plan->cgroup, "0", 1);
  if (::dup2(plan->input, 0) < 0 || ::dup2(plan->output, 1) < 0 || ::dup2(plan->error, 2) < 0)
    return fail(plan, "redirect");
  int next = kFirstSocket;
  for (int i = 0; i < plan->socket_count; ++i) {
    if (::dup2(plan->sockets[i], next++) < 0) return fail(plan, "sockets");
  }
  if (plan->channel >= 0) {
    if (::dup2(plan->channel, next++) < 0) return fail(plan, "channel");
  }
  if (::close_range(static_cast<unsigned>(next), ~0U, CLOSE_RANGE_CLOEXEC) != 0)
    return fail(plan, "close_range");
  if (plan->notify >= 0 && ::dup2(plan->notify, plan->notify_as) < 0)
    return fail(plan, "ready descriptor");
  // Before there may be too few descriptors for it. Nothing from here on binds.
  if (plan->binds >= 0) {
    const int notify = sys::install_bind_filter();
    if (notify < 0) return fail(plan, kFilterStage);
    if (!send_descriptor(plan->binds, notify)) return fail(plan, "send descriptor");
  }
  if (plan->listen_pid != nullptr) write_number(plan->listen_pid, ::getpid());
  if (plan->open_files != 0) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
      limit.rlim_cur = plan->open_files;
      ::setrlimit(RLIMIT_NOFILE, &limit);
    }
  }
  if (const char* const failed = take_limits(*plan)) return fail(plan, failed);
  ::umask(plan->limits->umask ? *plan->limits->umask : plan->umask);
  if (::chdir(plan->cwd) != 0) return fail(plan, "chdir");
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan->program, plan->argv, plan->envp);
  return fail(plan, "exec");
}

class ChildStack {
 public:
  ChildStack()
      : memory_(::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
    if (memory_ == MAP_FAILED)
      throw std::system_error(errno, std::generic_category(), "stack for a new process");
  }
  ~ChildStack() { ::munmap(memory_, kStackBytes); }
  ChildStack(const ChildStack&) = delete;
  ChildStack& operator=(const ChildStack&) = delete;
  [[nodiscard]] void* top() const noexcept {
    return static_cast<std::byte*>(memory_) + kStackBytes;
  }

 private:
  void* memory_;
};

}  // namespace

ClonedChild clone_and_exec(ChildPlan& plan) {
  const ChildStack stack;
  // No handler of ours may run in the child while it shares our memory.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  // legacy clone rather than clone3: glibc's wrapper gives the child a stack of its own, and
  // container profiles allow it. With CLONE_PARENT the kernel takes the exit signal from our own
  // (the keeper made us with SIGCHLD).
  int pidfd = -1;
  const int flags =
      CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (plan.own_child ? SIGCHLD : CLONE_PARENT);
  const pid_t pid = ::clone(run_child, stack.top(), flags, &plan, &pidfd);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return {pid, UniqueFd(pid >= 0 ? pidfd : -1)};
}

}  // namespace pmx
