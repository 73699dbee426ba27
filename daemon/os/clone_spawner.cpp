#include "daemon/os/clone_spawner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/post.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include "common/base/error.h"
#include "common/model/declared_socket.h"
#include "common/sys/child_limits.h"
#include "common/sys/pidfd.h"
#include "common/sys/proc_fs.h"
#include "daemon/os/child_exec.h"
#include "daemon/os/keeper_slots.h"
#include "daemon/os/notify_reader.h"
#include "daemon/os/secret_file.h"

namespace pmx {
namespace {

// Above everything that is placed in a child: 0 to 2, declared sockets, the channel.
constexpr int kFirstFreeFd = 3 + static_cast<int>(DeclaredSocket::kMostPerApp) + 1;
constexpr std::string_view kListenPid = "LISTEN_PID=";

UniqueFd duplicate_high(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, kFirstFreeFd));
  if (!copy) throw std::system_error(errno, std::generic_category(), "duplicate descriptor");
  return copy;
}

// Opens the same pipe or file again with another mode and flags of its own.
UniqueFd reopen(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (!fd) return fd;
  if (fd.get() >= kFirstFreeFd) return fd;
  return duplicate_high(fd.get());
}

UniqueFd reopen(int fd, int flags) { return reopen(fmt::format("/proc/self/fd/{}", fd), flags); }

bool is_pipe(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode);
}

// The end of its stdin that we write to; other pipes beside a process are for reading.
bool is_input(int fd) { return is_pipe(fd) && (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY; }

// Which of the descriptors that are kept beside a process this is.
UniqueFd& place_of(int fd, Process& process) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return process.binds;
  if (S_ISFIFO(info.st_mode)) return process.notify;
  if (!S_ISSOCK(info.st_mode)) return process.binds;
  int type = 0;
  socklen_t size = sizeof(type);
  const bool datagrams =
      ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM;
  return datagrams ? process.notify : process.channel;
}

ProcessExit exit_of(std::uint64_t slot, const keeper::ExitRecord& record) {
  const auto status = record.known != 0 ? std::optional<int>(record.wait_status) : std::nullopt;
  return {run_of(slot), record.pid, ExitStatus::from_wait(status), record.wall_ms};
}

// A flat copy of strings in the shape execve wants.
class StringArray {
 public:
  void add(std::string text) { texts_.push_back(std::move(text)); }
  // Valid until the next add.
  char* last() { return texts_.back().data(); }
  char* const* data() {
    pointers_.clear();
    for (std::string& text : texts_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
    return pointers_.data();
  }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

SpawnError failure(const char* stage, int error, std::string path) {
  return {stage, error, std::move(path)};
}

// An exec that fails with ENOENT on a file that exists: the interpreter of its first line is
// missing.
std::string exec_path(const std::string& program, int error) {
  if (error == ENOENT && ::access(program.c_str(), F_OK) == 0)
    return program + " (the interpreter in its first line is missing)";
  return program;
}

// What to do when bind_via "seccomp" cannot be had.
std::string filter_path(const std::string& program, int error) {
  const std::string_view why =
      error == EBUSY ? "somebody, such as a container's manager, supervises us in this way already"
      : error == EPERM || error == EACCES
          ? "a container or sandbox forbids it"
          : "the kernel does not support it, Linux 5.9 or newer does";
  return fmt::format("{} ({}; `listen` or bind_via \"none\" do without)", program, why);
}

// Empty: errno says why.
UniqueFd receive_descriptor(int socket) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  const cmsghdr* header = size == 1 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) {
    if (size >= 0) errno = EMFILE;
    return {};
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof(fd));
  return UniqueFd(fd);
}

}  // namespace

std::string SpawnError::describe() const {
  if (error == 0) return path;
  return fmt::format("{} {}: {} ({})", stage, path, std::strerror(error), ::strerrorname_np(error));
}

CloneSpawner::CloneSpawner(asio::io_context& io, KeeperLink& link, RunCgroups& cgroups,
                           Inherited inherited)
    : io_(io),
      link_(link),
      cgroups_(cgroups),
      inherited_(inherited),
      null_(reopen("/dev/null", O_RDONLY)) {
  if (!null_) throw std::system_error(errno, std::generic_category(), "open /dev/null");
}

void CloneSpawner::exited(std::uint64_t slot, const keeper::ExitRecord& record) {
  if (slot_kind(slot) != SlotKind::run || !handler_) return;
  ProcessExit exit = exit_of(slot, record);
  asio::post(io_, [this, exit = std::move(exit)] { handler_(exit); });
}

std::vector<AdoptedRun> CloneSpawner::adopt(pid_t keeper_pid) {
  std::vector<AdoptedRun> runs;
  std::vector<std::uint64_t> empty;
  for (const auto& [id, slot] : link_.slots()) {
    if (slot_kind(id) != SlotKind::run) continue;
    if (slot.pid == 0) {
      empty.push_back(id);
      continue;
    }
    AdoptedRun run{run_of(id), {slot.pid, slot.start_time, {}, {}, {}}, slot.state, {}};
    for (const UniqueFd& fd : slot.fds) {
      if (!is_input(fd.get())) place_of(fd.get(), run.process) = duplicate_high(fd.get());
    }
    if (slot.exit) run.exit = exit_of(id, *slot.exit);
    runs.push_back(std::move(run));
  }
  // The daemon died between announcing a process and naming it: the process, if there is one,
  // carries the name of its run. Its channel is lost, so nothing can be made of it but an end: it
  // is adopted and its owner decides.
  for (const std::uint64_t id : empty) {
    const RunId run = run_of(id);
    const std::string wanted = fmt::format("PMX_TOKEN={}.{}.", run.pm_id, run.generation);
    bool found = false;
    for (const pid_t pid : sys::children_of(keeper_pid)) {
      if (!sys::has_environment(pid, wanted)) continue;
      const auto stat = sys::process_stat(pid);
      if (!stat || stat->state == 'Z') continue;
      const std::string note = link_.find(id)->state;
      link_.store_process(id, pid, stat->start_time, sys::pidfd_open(pid), {});
      runs.push_back({run, {pid, stat->start_time, {}, {}, {}}, note, {}});
      found = true;
      break;
    }
    if (!found) link_.drop(id);
  }
  return runs;
}

std::string CloneSpawner::limits_problem(const ProcessLimits& limits) const {
  return cgroups_.problem(sys::cgroup_settings(limits));
}

std::variant<Process, SpawnError> CloneSpawner::spawn(const SpawnRequest& request) {
  const std::uint64_t slot = run_slot(request.run);
  sys::ChildLimits limits;
  std::vector<sys::CgroupSetting> settings;
  try {
    limits = sys::child_limits(request.limits);
    settings = sys::cgroup_settings(request.limits);
  } catch (const Error& error) {
    return SpawnError{"", 0, error.what()};
  }
  if (std::string refused = sys::refused_limits(limits); !refused.empty())
    return SpawnError{"", 0, std::move(refused)};
  try {
    ensure_output(request.run.pm_id);
    const KeeperLink::Slot& output = *link_.find(output_slot(request.run.pm_id));
    // Write ends re-opened for reading as well: the app never gets SIGPIPE, even if keeper and
    // daemon are both gone.
    const UniqueFd out = reopen(output.fds.at(0).get(), O_RDWR);
    const UniqueFd error = reopen(output.fds.at(1).get(), O_RDWR);
    if (!out || !error) return failure("open output pipe", errno, request.program);

    UniqueFd ours;
    UniqueFd theirs;
    if (request.channel) {
      std::array<int, 2> pair{};
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
        return failure("socketpair", errno, request.program);
      ours.reset(pair[0]);
      theirs.reset(pair[1]);
      if (::fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0)
        return failure("socketpair", errno, request.program);
      theirs = duplicate_high(theirs.get());
    }

    UniqueFd input_end;  // ours
    UniqueFd input;
    if (request.input) {
      std::array<int, 2> pair{};
      if (::pipe2(pair.data(), O_CLOEXEC | O_NONBLOCK) != 0)
        return failure("pipe", errno, request.program);
      const UniqueFd read_end(pair[0]);
      input_end.reset(pair[1]);
      // For writing too: it never reads an end of file, even if keeper and daemon are both gone.
      input = reopen(read_end.get(), O_RDWR);
      if (!input) return failure("open input pipe", errno, request.program);
    }

    NotifySocket notify;
    UniqueFd notify_end;  // of the child
    if (request.notify) notify = open_notify_socket();
    if (request.ready_fd >= 0) {
      std::array<int, 2> pair{};
      if (::pipe2(pair.data(), O_CLOEXEC | O_NONBLOCK) != 0)
        return failure("pipe", errno, request.program);
      notify.fd.reset(pair[0]);
      notify_end.reset(pair[1]);
      notify_end = duplicate_high(notify_end.get());
      if (::fcntl(notify_end.get(), F_SETFL, 0) != 0)
        return failure("pipe", errno, request.program);
    }

    // Filled by the child before it executes the program.
    std::array<UniqueFd, 2> binds;
    if (request.watch_binds) {
      std::array<int, 2> pair{};
      if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
        return failure("socketpair", errno, request.program);
      binds[0].reset(pair[0]);
      binds[1].reset(pair[1]);
      binds[1] = duplicate_high(binds[1].get());
    }

    StringArray argv;
    for (const std::string& argument : request.argv) argv.add(argument);
    StringArray env;
    for (const auto& [name, value] : request.env) env.add(fmt::format("{}={}", name, value));
    try {
      for (const auto& [name, path] : request.secret_files)
        env.add(fmt::format("{}={}", name, read_secret(path)));
    } catch (const std::system_error& problem) {
      return SpawnError{"", 0, problem.what()};
    }
    if (!notify.name.empty()) env.add(fmt::format("NOTIFY_SOCKET={}", notify.name));
    std::vector<UniqueFd> sockets;
    std::vector<int> socket_numbers;
    for (const int socket : request.sockets) {
      sockets.push_back(duplicate_high(socket));
      socket_numbers.push_back(sockets.back().get());
    }
    if (!sockets.empty()) env.add(fmt::format("{}{:010}", kListenPid, 0));
    ChildPlan plan;
    plan.program = request.program.c_str();
    plan.argv = argv.data();
    plan.envp = env.data();
    plan.cwd = request.cwd.c_str();
    plan.input = input ? input.get() : null_.get();
    plan.output = out.get();
    plan.error = error.get();
    plan.channel = theirs.get();
    plan.sockets = socket_numbers.data();
    plan.socket_count = static_cast<int>(socket_numbers.size());
    if (!sockets.empty()) plan.listen_pid = env.last() + kListenPid.size();
    plan.notify = notify_end.get();
    plan.notify_as = request.ready_fd;
    plan.binds = binds[1].get();
    plan.open_files = inherited_.open_files;
    plan.umask = inherited_.umask;
    plan.limits = &limits;
    const RunCgroups::Made cgroup = cgroups_.make(request.run, settings);
    if (!cgroup.problem.empty()) return SpawnError{"", 0, cgroup.problem};
    plan.cgroup = cgroup.procs.get();
    const std::optional<int> wish =
        request.limits.oom_score_adj ? request.limits.oom_score_adj : inherited_.oom_score_adj;
    const std::string oom_score_adj = wish ? std::to_string(*wish) : "";
    if (!oom_score_adj.empty()) plan.oom_score_adj = oom_score_adj.c_str();

    link_.store_intent(slot, request.note);
    ClonedChild child = clone_and_exec(plan);
    if (child.pid < 0) {
      const int reason = errno;
      drop(request.run);
      return failure("clone", reason, request.program);
    }
    if (plan.failed_stage != nullptr) {
      drop(request.run);
      const std::string stage = plan.failed_stage;
      const std::string path = stage == "chdir" ? request.cwd
                               : stage == kFilterStage
                                   ? filter_path(request.program, plan.failed_errno)
                                   : exec_path(request.program, plan.failed_errno);
      return failure(plan.failed_stage, plan.failed_errno, path);
    }
    const auto stat = sys::process_stat(
        child.pid);  // a zombie at the least: only its parent's wait takes it away
    const std::uint64_t start_time = stat ? stat->start_time : 0;
    std::vector<UniqueFd> kept;
    if (ours) kept.push_back(duplicate_high(ours.get()));
    if (notify.fd) kept.push_back(duplicate_high(notify.fd.get()));
    if (input_end) kept.push_back(duplicate_high(input_end.get()));
    UniqueFd calls;
    if (request.watch_binds) {
      calls = receive_descriptor(binds[0].get());
      if (!calls) {
        const int reason = errno;
        sys::pidfd_signal(child.pidfd.get(), SIGKILL);  // it could never bind
        drop(request.run);
        return failure("receive descriptor for", reason, request.program);
      }
      kept.push_back(duplicate_high(calls.get()));
    }
    link_.store_process(slot, child.pid, start_time, std::move(child.pidfd), std::move(kept));
    return Process{child.pid, start_time, std::move(ours), std::move(calls), std::move(notify.fd)};
  } catch (const std::system_error& error) {
    drop(request.run);
    return failure("prepare", error.code().value(), request.program);
  }
}

InputResult CloneSpawner::write_input(RunId run, std::string_view bytes) {
  const KeeperLink::Slot* slot = link_.find(run_slot(run));
  if (slot == nullptr) return InputResult::none;
  for (const UniqueFd& fd : slot->fds) {
    if (!is_input(fd.get())) continue;
    const ssize_t size = ::write(fd.get(), bytes.data(), std::min(bytes.size(), kMaxInputBytes));
    if (size >= 0) return InputResult::taken;
    return errno == EPIPE ? InputResult::closed : InputResult::full;
  }
  return InputResult::none;
}

void CloneSpawner::remember(RunId run, const std::string& note) {
  link_.store_state(run_slot(run), note);
}

void CloneSpawner::forget(RunId run) { drop(run); }

void CloneSpawner::drop(RunId run) {
  link_.drop(run_slot(run));
  cgroups_.remove(run);
}

void CloneSpawner::ensure_output(int pm_id) {
  const KeeperLink::Slot* slot = link_.find(output_slot(pm_id));
  if (slot != nullptr && slot->fds.size() == 2) return;
  std::vector<UniqueFd> ends;
  for (int i = 0; i < 2; ++i) {
    std::array<int, 2> pair{};
    if (::pipe2(pair.data(), O_CLOEXEC | O_NONBLOCK) != 0)
      throw std::system_error(errno, std::generic_category(), "pipe");
    const UniqueFd read_end(pair[0]);
    const UniqueFd write_end(pair[1]);
    // Read and write in one: a pipe that never has an end of file, between runs too, and while keeper or daemon are away.
    ends.push_back(reopen(read_end.get(), O_RDWR | O_NONBLOCK));
    if (!ends.back()) throw std::system_error(errno, std::generic_category(), "open pipe");
  }
  link_.store_fds(output_slot(pm_id), std::move(ends), "");
}

OutputPipes CloneSpawner::open_output(int pm_id) {
  ensure_output(pm_id);
  const KeeperLink::Slot& slot = *link_.find(output_slot(pm_id));
  return {duplicate_high(slot.fds.at(0).get()), duplicate_high(slot.fds.at(1).get())};
}

void CloneSpawner::close_output(int pm_id) { link_.drop(output_slot(pm_id)); }

bool CloneSpawner::adopt_by_pid(RunId run, pid_t pid, std::uint64_t start_time) {
  UniqueFd pidfd = sys::pidfd_open(pid);
  if (!pidfd) return false;
  // Looked at after the pidfd was opened: if the times agree, the pidfd is of that process.
  const auto stat = sys::process_stat(pid);
  if (!stat || stat->state == 'Z' || stat->start_time != start_time) return false;
  std::vector<UniqueFd> kept;
  UniqueFd input = reopen(fmt::format("/proc/{}/fd/0", pid), O_WRONLY | O_NONBLOCK);
  if (input && is_pipe(input.get())) kept.push_back(std::move(input));
  link_.store_process(run_slot(run), pid, start_time, std::move(pidfd), std::move(kept));
  if (link_.find(output_slot(run.pm_id)) == nullptr) {
    // The process itself holds its pipes, with all that nobody has read yet.
    std::vector<UniqueFd> ends;
    for (const int fd : {1, 2}) {
      UniqueFd end = reopen(fmt::format("/proc/{}/fd/{}", pid, fd), O_RDWR | O_NONBLOCK);
      if (end && is_pipe(end.get())) ends.push_back(std::move(end));
    }
    if (ends.size() == 2) link_.store_fds(output_slot(run.pm_id), std::move(ends), "");
  }
  return true;
}

}  // namespace pmx
