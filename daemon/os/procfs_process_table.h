// ProcfsProcessTable: the real ProcessTable, from /proc and pidfds. Finds what a run has left
// behind by its token: orphans of the session are re-parented to the keeper (a sub-reaper), so only
// its children need be looked at; and what is in its cgroup, if it has one.
#pragma once

#include <asio/io_context.hpp>
#include <map>
#include <unordered_set>

#include "common/base/clock.h"
#include "daemon/os/run_cgroups.h"
#include "daemon/ports/process_table.h"

namespace pmx {

class ProcfsProcessTable : public ProcessTable {
 public:
  // `reaper`: process that orphans become children of.
  ProcfsProcessTable(asio::io_context& io, const Clock& clock, pid_t reaper,
                     const RunCgroups& cgroups);

  std::vector<ProcessRef> tree(const TreeQuery& query) override;
  void kill_at_once(RunId run) override { cgroups_.kill(run); }
  [[nodiscard]] std::string known_by(RunId run) const override;
  bool signal(const ProcessRef& process, int number) override;
  std::unique_ptr<Watch> watch(const ProcessRef& process, std::function<void()> on_end) override;
  Usage usage(pid_t root) override;
  std::vector<std::uint64_t> connections(const TreeQuery& query,
                                         const std::vector<int>& ports) override;
  void add_main(pid_t pid) override { mains_.insert(pid); }
  void remove_main(pid_t pid) override {
    mains_.erase(pid);
    samples_.erase(pid);
  }

 private:
  struct Sample {
    std::uint64_t start_time = 0;
    std::uint64_t cpu_ticks = 0;
    TimePoint at;
    double percent = 0;
  };

  asio::io_context& io_;
  const Clock& clock_;
  pid_t reaper_;
  const RunCgroups& cgroups_;
  std::unordered_set<pid_t> mains_;
  std::map<pid_t, Sample> samples_;
};

}  // namespace pmx
