#include "daemon/os/procfs_process_table.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <asio/posix/stream_descriptor.hpp>
#include <optional>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "common/sys/pidfd.h"
#include "common/sys/proc_fs.h"
#include "common/sys/sock_diag.h"

namespace pmx {
namespace {

constexpr std::size_t kMaxTree = 10'000;
constexpr auto kShortestSample = std::chrono::milliseconds(100);

// Parents before children. A process is opened before its identity is read, so a recycled pid is
// seen as another one.
class TreeWalk {
 public:
  void add_with_descendants(pid_t pid) {
    std::vector<pid_t> pending{pid};
    while (!pending.empty() && found_.size() < kMaxTree) {
      const pid_t next = pending.back();
      pending.pop_back();
      if (!seen_.insert(next).second) continue;
      UniqueFd pidfd = sys::pidfd_open(next);
      const auto stat = sys::process_stat(next);
      const std::vector<pid_t> children = sys::children_of(next, stat ? stat->threads : 0);
      pending.insert(pending.end(), children.begin(), children.end());
      if (!pidfd || !stat || stat->state == 'Z') continue;
      found_.push_back({next, std::move(pidfd)});
    }
  }
  [[nodiscard]] bool seen(pid_t pid) const { return seen_.count(pid) != 0; }
  std::vector<ProcessRef> take_deepest_first() {
    std::reverse(found_.begin(), found_.end());
    return std::move(found_);
  }

 private:
  std::unordered_set<pid_t> seen_;
  std::vector<ProcessRef> found_;
};

class PidfdWatch : public ProcessTable::Watch {
 public:
  PidfdWatch(asio::io_context& io, UniqueFd pidfd, std::function<void()> on_end)
      : descriptor_(io, pidfd.release()),
        on_end_(std::make_shared<std::function<void()>>(std::move(on_end))) {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [callback = std::weak_ptr(on_end_)](const std::error_code& error) {
                             const auto alive = callback.lock();
                             if (!error && alive) (*alive)();
                           });
  }

 private:
  asio::posix::stream_descriptor descriptor_;
  std::shared_ptr<std::function<void()>> on_end_;
};

}  // namespace

ProcfsProcessTable::ProcfsProcessTable(asio::io_context& io, const Clock& clock, pid_t reaper,
                                       const RunCgroups& cgroups)
    : io_(io), clock_(clock), reaper_(reaper), cgroups_(cgroups) {}

std::string ProcfsProcessTable::known_by(RunId run) const {
  const std::string cgroup = cgroups_.path(run);
  return cgroup.empty() ? "parentage and PMX_TOKEN" : "cgroup " + cgroup;
}

std::vector<ProcessRef> ProcfsProcessTable::tree(const TreeQuery& query) {
  TreeWalk walk;
  if (query.root > 0) walk.add_with_descendants(query.root);
  // Orphans: children of the reaper in the session of the run, or with its token. Reading the
  // environment comes last, it is the dearest question.
  const std::string wanted = fmt::format("PMX_TOKEN={}", query.token);
  for (const pid_t pid : sys::children_of(reaper_)) {
    if (walk.seen(pid) || mains_.count(pid) != 0 || pid == ::getpid()) continue;
    if (sys::has_environment(pid, wanted)) walk.add_with_descendants(pid);
  }
  for (const pid_t pid : cgroups_.members(query.run)) {
    if (!walk.seen(pid)) walk.add_with_descendants(pid);
  }
  std::vector<ProcessRef> found = walk.take_deepest_first();
  if (query.session != 0) {
    std::erase_if(found, [&](const ProcessRef& process) {
      const auto stat = sys::process_stat(process.pid);
      return !stat || stat->session != query.session;
    });
  }
  return found;
}

bool ProcfsProcessTable::signal(const ProcessRef& process, int number) {
  return sys::pidfd_signal(process.pidfd.get(), number);
}

std::unique_ptr<ProcessTable::Watch> ProcfsProcessTable::watch(const ProcessRef& process,
                                                               std::function<void()> on_end) {
  UniqueFd copy(::fcntl(process.pidfd.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) throw std::system_error(errno, std::generic_category(), "duplicate pidfd");
  return std::make_unique<PidfdWatch>(io_, std::move(copy), std::move(on_end));
}

std::vector<std::uint64_t> ProcfsProcessTable::connections(const TreeQuery& query,
                                                           const std::vector<int>& ports) {
  std::unordered_set<std::uint64_t> serving;
  try {
    for (const int port : ports) {
      for (const sys::TcpSocket& socket : sys::tcp_sockets(port, sys::kTcpServing))
        serving.insert(socket.inode);
    }
  } catch (const std::system_error&) {
    return {};  // some containers refuse the question: then nothing is waited for
  }
  serving.erase(0);
  std::vector<std::uint64_t> found;
  if (serving.empty()) return found;
  for (const ProcessRef& process : tree(query)) {
    for (const std::uint64_t inode : sys::socket_inodes(process.pid)) {
      if (serving.erase(inode) > 0) found.push_back(inode);  // once, whoever else holds it
    }
  }
  return found;
}

Usage ProcfsProcessTable::usage(pid_t root) {
  static const double ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  static const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  Usage usage;
  std::uint64_t ticks = 0;
  std::uint64_t start_time = 0;
  std::vector<pid_t> pending{root};
  std::unordered_set<pid_t> seen;
  while (!pending.empty() && seen.size() < kMaxTree) {
    const pid_t pid = pending.back();
    pending.pop_back();
    if (!seen.insert(pid).second) continue;
    const auto stat = sys::process_stat(pid);
    if (!stat) continue;
    if (pid == root) start_time = stat->start_time;
    ticks += stat->cpu_ticks;
    usage.memory_bytes += stat->rss_pages * page_bytes;
    const std::vector<pid_t> children = sys::children_of(pid, stat->threads);
    pending.insert(pending.end(), children.begin(), children.end());
  }
  if (start_time == 0) {
    samples_.erase(root);
    return {};
  }

  const TimePoint now = clock_.now();
  Sample& sample = samples_[root];
  double seconds = 0;
  if (sample.start_time != start_time) {
    // steady_clock is CLOCK_MONOTONIC; start times count from boot, suspended time included. Near
    // enough for a first answer.
    sample = Sample{};
    sample.start_time = start_time;
    seconds = std::chrono::duration<double>(now.time_since_epoch()).count() -
              static_cast<double>(start_time) / ticks_per_second;
  } else {
    if (now - sample.at < kShortestSample) {
      usage.cpu_percent = sample.percent;
      return usage;
    }
    seconds = std::chrono::duration<double>(now - sample.at).count();
  }
  const double used = ticks > sample.cpu_ticks
                          ? static_cast<double>(ticks - sample.cpu_ticks) / ticks_per_second
                          : 0;
  sample.percent = seconds > 0 ? 100 * used / seconds : 0;
  sample.cpu_ticks = ticks;
  sample.at = now;
  usage.cpu_percent = sample.percent;
  return usage;
}

}  // namespace pmx
