// Store: the durable state. Changes are queued in order and written by a thread of the adapter;
// nothing here blocks on a disk but load().
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/model/app_spec.h"
#include "common/model/custom_report.h"
#include "common/model/instance_status.h"

namespace pmx {

struct AppRecord {
  std::uint64_t id = 0;  // never reused
  AppSpec spec;
};

struct InstanceRecord {
  int pm_id = 0;
  std::uint64_t app_id = 0;
  int number = 0;  // NODE_APP_INSTANCE
  std::string unique_id;
  bool wanted = true;        // desired: running
  bool by_operator = false;  // if not: the operator has stopped it
  InstanceState state = InstanceState::stopped;
  std::string reason;
  int restarts = 0;
  int unstable_restarts = 0;
  Millis backoff{0};
  std::optional<ExitStatus> last_exit;
  WallMillis created_at = 0;
  WallMillis started_at = 0;
  std::vector<WallMillis> granted;  // restarts of the budget, oldest first
  std::optional<WallMillis> restart_due;
  bool run_waits = false;             // of a job
  std::optional<WallMillis> settled;  // of a job: the times up to it are dealt with
  std::uint32_t generation = 0;       // highest ever used
  // Identity of the last process: valid only under `boot_id`.
  pid_t pid = 0;
  std::uint64_t start_time = 0;
  std::string boot_id;
  std::vector<CustomAction> actions;  // that this process offers
};

struct StoredState {
  bool is_new =
      false;  // there was no earlier state: what runs all the same is not to be judged by it
  std::vector<AppRecord> apps;
  std::vector<InstanceRecord> instances;
  std::vector<std::string> remarks;  // what had to be put aside or repaired, in words
};

class Store {
 public:
  virtual ~Store() = default;
  // Once, before anything else.
  virtual StoredState load() = 0;
  virtual void put_app(AppRecord record) = 0;
  virtual void put_instance(InstanceRecord record) = 0;
  virtual void remove_app(std::uint64_t id) = 0;  // with its instances
  virtual void remove_instance(int pm_id) = 0;
  // Writes a small file for others to read (a pid file), or removes it; not part of what load()
  // gives back.
  virtual void put_file(const std::string& path, std::optional<std::string> content) = 0;
  // Calls `done` on the control thread when everything queued so far is on the disk, or has failed
  // (reported by the adapter).
  virtual void commit(std::function<void()> done) = 0;
  // Why changes are not on the disk at present, in words; empty: they are.
  [[nodiscard]] virtual std::string trouble() const = 0;
};

}  // namespace pmx
