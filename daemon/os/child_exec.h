// What happens between the clone and the exec of an app. The child shares the daemon's memory until
// the exec (CLONE_VM): everything is prepared beforehand; in the child there is no allocation, no
// lock, no exception and nothing that could leave a trace.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include "common/base/unique_fd.h"
#include "common/sys/child_limits.h"

namespace pmx {

struct ChildPlan {
  const char* program = nullptr;
  char* const* argv = nullptr;
  char* const* envp = nullptr;
  const char* cwd = nullptr;
  // Sources of the descriptors from 0 on, all above those they are placed at; channel may be -1.
  int input = -1;
  int output = -1;
  int error = -1;
  const int* sockets = nullptr;  // from 3 on
  int socket_count = 0;
  int channel = -1;            // behind them
  char* listen_pid = nullptr;  // where in `envp` the child writes its pid: room for 10 digits and
                               // the end of the text
  int cgroup = -1;             // cgroup.procs of the group it puts itself into, or -1
  int notify = -1;             // write end of a pipe, or -1
  int notify_as = -1;          // its number in the child, above all others there
  int binds = -1;  // where the child sends (SCM_RIGHTS) the descriptor that its bind() and listen()
                   // are answered at; -1: nobody answers them
  rlim_t open_files = 0;  // soft RLIMIT_NOFILE for the child; 0 = as ours
  mode_t umask = 022;
  const sys::ChildLimits* limits = nullptr;
  const char* oom_score_adj = nullptr;  // its text, if it is to be changed
  bool own_child = false;               // of ours, not of our parent: we reap it

  // Filled in by the child if it fails.
  const char* failed_stage = nullptr;
  int failed_errno = 0;
};

// The stage of a failure to have bind() and listen() answered.
inline constexpr char kFilterStage[] = "seccomp filter for";

struct ClonedChild {
  pid_t pid = -1;  // -1: errno says why
  UniqueFd pidfd;
};

// Makes the process as a child of our parent (CLONE_PARENT), or of ours, and returns when it has
// executed the program or failed to (plan.failed_stage set; its parent reaps it).
ClonedChild clone_and_exec(ChildPlan& plan);

}  // namespace pmx
