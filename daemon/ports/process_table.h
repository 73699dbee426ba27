// ProcessTable: looks at and signals processes beyond the main one of a run: its whole tree, also
// what has left its session or was re-parented. Everything is identified by pidfd: a recycled pid
// is never signalled.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "daemon/ports/spawner.h"

namespace pmx {

struct ProcessRef {
  pid_t pid = 0;
  UniqueFd pidfd;
};

struct TreeQuery {
  pid_t root = 0;     // main process; may be gone
  std::string token;  // value of PMX_TOKEN in the environment of the run's processes:
                      // PM_ID.GENERATION.UNIQUE_ID
  RunId run = {};
  pid_t session = 0;  // only members of this session; 0: wherever they are
};

struct Usage {
  double cpu_percent = 0;  // since the last question about this root, or since its start
  std::uint64_t memory_bytes = 0;
};

class ProcessTable {
 public:
  // Calls back once, when the process has ended; destroying it forgets the callback.
  class Watch {
   public:
    virtual ~Watch() = default;
  };

  virtual ~ProcessTable() = default;

  // The live processes of the tree, descendants before their parents, the root last. Zombies are
  // left out.
  virtual std::vector<ProcessRef> tree(const TreeQuery& query) = 0;
  // SIGKILL to the whole tree in one step, if it has a cgroup: nothing escapes by forking meanwhile.
  virtual void kill_at_once(RunId run) = 0;
  // By what the tree is known, in words.
  [[nodiscard]] virtual std::string known_by(RunId run) const = 0;
  // False: it has ended.
  virtual bool signal(const ProcessRef& process, int number) = 0;
  virtual std::unique_ptr<Watch> watch(const ProcessRef& process, std::function<void()> on_end) = 0;
  virtual Usage usage(pid_t root) = 0;
  // Established TCP connections of the tree on these local ports: the inode of each, once.
  virtual std::vector<std::uint64_t> connections(const TreeQuery& query,
                                                 const std::vector<int>& ports) = 0;
  // Main processes of runs are never taken for what another run left behind.
  virtual void add_main(pid_t pid) = 0;
  virtual void remove_main(pid_t pid) = 0;
};

}  // namespace pmx
