// RunCgroups: a cgroup (v2) of its own for each run, where the daemon may make one: then nothing that
// an app has started can hide from its stop, whatever it does to its parents, session and
// environment. Where not, runs are found by parentage and PMX_TOKEN alone.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/sys/cgroup_settings.h"
#include "daemon/ports/spawner.h"

namespace pmx {

class RunCgroups {
 public:
  // `home` tells the groups of this daemon from those of others. Groups that an earlier daemon has
  // left empty are removed. `wanted` false: none are made.
  RunCgroups(const std::string& home, bool wanted);
  RunCgroups(const RunCgroups&) = delete;
  RunCgroups& operator=(const RunCgroups&) = delete;
  ~RunCgroups() { remove_ended(); }

  // Why a group cannot have one of these, and what to do; empty: as far as can be seen, it can.
  [[nodiscard]] std::string problem(const std::vector<sys::CgroupSetting>& settings) const;

  struct Made {
    UniqueFd procs;       // who writes "0" to it is in the group; empty: there is none
    std::string problem;  // why a setting cannot be had, and what to do; empty: all are
  };
  // Makes the run's group.
  Made make(RunId run, const std::vector<sys::CgroupSetting>& settings);
  // Live members, in no order.
  [[nodiscard]] std::vector<pid_t> members(RunId run) const;
  // SIGKILL to every member and what they fork meanwhile. False: there is no such group, or the
  // kernel (before 5.14) cannot.
  bool kill(RunId run) const;
  // The run has ended. A group with members is removed when they have gone.
  void remove(RunId run);
  // Directory; empty: none.
  [[nodiscard]] std::string path(RunId run) const;

 private:
  [[nodiscard]] std::string place(RunId run) const;
  void remove_ended();
  // Empty: it is there, or could be had.
  [[nodiscard]] std::string missing_controller(const sys::CgroupSetting& setting) const;

  std::string above_;   // directory; empty: not possible here
  std::string prefix_;  // of names
  std::set<std::string> ended_;
};

}  // namespace pmx
