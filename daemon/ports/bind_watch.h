// BindWatches: answers bind() and listen() of programs, which wait in the kernel for it (seccomp
// user notification). How programs that cannot load a library get the app's listening sockets.
#pragma once

#include <sys/types.h>

#include <memory>

#include "common/base/unique_fd.h"
#include "daemon/ports/spawner.h"

namespace pmx {

// While it exists, the run may get sockets. After that whatever is left of it binds its own.
class BindWatch {
 public:
  virtual ~BindWatch() = default;
};

class BindWatches {
 public:
  virtual ~BindWatches() = default;
  // `binds` is that of the Process. `adopted`: the pid of a run that an earlier daemon has started,
  // which may owe it an answer; else 0.
  virtual std::unique_ptr<BindWatch> watch(UniqueFd binds, RunId run, pid_t adopted) = 0;
};

}  // namespace pmx
