// ChildLimits: ProcessLimits as the kernel wants them, for the child between clone and exec.
#pragma once

#include <sched.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "common/model/process_limits.h"

namespace pmx::sys {

struct ChildLimits {
  struct Rlimit {
    int resource = 0;
    rlimit value = {};
  };
  std::vector<Rlimit> rlimits;
  std::optional<int> nice;
  std::optional<int> io_priority;  // ioprio_set(2)
  std::optional<cpu_set_t> cpus;
  std::optional<int> oom_score_adj;
  std::optional<mode_t> umask;
  bool no_new_privileges = false;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::vector<gid_t> groups;  // with uid or gid: exactly these
};

// Throws Error(invalid_spec) naming the key and what was expected. Reads /etc/passwd and
// /etc/group for names. Does not ask whether we may: see refused_limits.
ChildLimits child_limits(const ProcessLimits& limits);

// What of `limits` this process cannot give a child, in words; empty: it can give all.
std::string refused_limits(const ChildLimits& limits);

// From passwd(5).
struct UserEntry {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;
  std::string shell;
};
// By name or number. nullopt: there is none.
std::optional<UserEntry> find_user(const std::string& name_or_number);

// From group(5), by name or number. nullopt: there is none of that name.
std::optional<gid_t> find_group(const std::string& name_or_number);

}  // namespace pmx::sys
