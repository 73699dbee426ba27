// Incarnation: one run of an instance. It ends once.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "daemon/policy/custom_reports.h"
#include "daemon/ports/bind_watch.h"
#include "daemon/ports/spawner.h"
#include "daemon/ports/worker_channel.h"

namespace pmx {

class Checks;
class Stopper;

struct Incarnation {
  // What it is to its instance. Kept beside the process for the next daemon, by these letters.
  enum class Role : char {
    current = 'C',
    candidate = 'N',  // started by a reload, not ready yet
    retiring = 'O',   // replaced, finishing its work
  };

  RunId run;
  Role role = Role::current;
  pid_t pid = 0;
  std::uint64_t start_time = 0;
  WallMillis started_at = 0;
  TimePoint started;
  bool ready = false;   // has said so, or listens
  bool exited = false;  // the main process
  CustomReports reports;
  ActionCalls calls;
  std::unique_ptr<WorkerChannel> channel;
  std::unique_ptr<BindWatch> binds;  // only with the door seccomp
  std::unique_ptr<Checks> checks;    // none: the app wishes none
  std::unique_ptr<Stopper> stopper;  // while it is being stopped

  Incarnation();
  ~Incarnation();
  Incarnation(Incarnation&&) = delete;
  Incarnation& operator=(Incarnation&&) = delete;
};

// The note kept beside a process: role, ready or not, then what the channel wants kept.
std::string note_of(const Incarnation& incarnation);

// The role in a note that was kept beside a process.
inline Incarnation::Role role_in_note(const std::string& note) {
  return note.empty() ? Incarnation::Role::current : static_cast<Incarnation::Role>(note.front());
}

}  // namespace pmx
