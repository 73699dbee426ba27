// CloneSpawner: the real Spawner. Makes each process a child of the keeper (CLONE_PARENT) and keeps
// what outlives this daemon in the keeper's slots: the process with its channel, and the pipes of
// each instance.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <string>

#include "daemon/os/keeper_link.h"
#include "daemon/os/run_cgroups.h"
#include "daemon/ports/spawner.h"

namespace pmx {

class CloneSpawner : public Spawner {
 public:
  struct Inherited {
    unsigned long open_files = 0;  // soft limit for apps; 0 = ours
    unsigned umask = 022;
    std::optional<int> oom_score_adj = std::nullopt;  // of apps without a wish; none: ours
  };

  CloneSpawner(asio::io_context& io, KeeperLink& link, RunCgroups& cgroups, Inherited inherited);

  void on_exit(std::function<void(const ProcessExit&)> handler) override {
    handler_ = std::move(handler);
  }
  // To be called with each exit record that the keeper reports; other slots than runs are ignored.
  void exited(std::uint64_t slot, const keeper::ExitRecord& record);
  // The runs in the keeper's slots. An intent whose process is found by its token is completed, one
  // without a process dropped.
  std::vector<AdoptedRun> adopt(pid_t keeper_pid);

  std::variant<Process, SpawnError> spawn(const SpawnRequest& request) override;
  [[nodiscard]] std::string limits_problem(const ProcessLimits& limits) const override;
  InputResult write_input(RunId run, std::string_view bytes) override;
  void remember(RunId run, const std::string& note) override;
  void forget(RunId run) override;
  OutputPipes open_output(int pm_id) override;
  void close_output(int pm_id) override;
  bool adopt_by_pid(RunId run, pid_t pid, std::uint64_t start_time) override;

 private:
  void drop(RunId run);
  void ensure_output(int pm_id);

  asio::io_context& io_;
  KeeperLink& link_;
  RunCgroups& cgroups_;
  Inherited inherited_;
  UniqueFd null_;
  std::function<void(const ProcessExit&)> handler_;
};

}  // namespace pmx
