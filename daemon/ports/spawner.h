// Spawner: makes processes and tells how they ended. Whoever really is their parent (the keeper)
// and whatever happened to an earlier daemon is hidden here: exits always arrive as events, also
// those of processes that another daemon started.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "common/base/unique_fd.h"
#include "common/model/app_spec.h"
#include "common/model/exit_status.h"
#include "common/model/process_limits.h"

namespace pmx {

// Names one run of an instance, for ever.
struct RunId {
  int pm_id = 0;
  std::uint32_t generation = 0;
  friend auto operator<=>(const RunId&, const RunId&) = default;
};

struct SpawnRequest {
  RunId run;
  std::string program;            // absolute path
  std::vector<std::string> argv;  // with argv[0]
  Env env;                        // complete, but for these:
  Env secret_files;               // variables whose values are in these files
  std::string cwd;
  bool input = true;    // stdin is a pipe (write_input); else /dev/null
  bool channel = true;  // Node's IPC channel (NODE_CHANNEL_FD is set in `env` by the caller)
  // Borrowed listening sockets: descriptors 3, 4, ... of the process, announced by LISTEN_FDS,
  // LISTEN_PID and LISTEN_FDNAMES (sd_listen_fds(3)); the channel comes behind them.
  std::vector<int> sockets;
  ProcessLimits limits;
  bool notify = false;       // NOTIFY_SOCKET is set, see Process::notify
  int ready_fd = -1;         // or the number of a pipe's end it may write a line to
  bool watch_binds = false;  // its bind() and listen() wait for whoever has Process::binds
  std::string note;          // kept beside the process for a later daemon, at most 500 bytes
};

struct Process {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot, as in /proc
  UniqueFd channel;              // our end; may be empty
  UniqueFd binds;                // as for BindWatches; only if that was wished
  UniqueFd notify;               // as for NotifyWatches; likewise
};

// Which step failed ("chdir", "exec", ...), why, and on what path; or with error 0: `path` is what
// is wrong, in words.
struct SpawnError {
  std::string stage;
  int error = 0;
  std::string path;
  // "exec /a/b: Permission denied (EACCES)"
  [[nodiscard]] std::string describe() const;
};

struct ProcessExit {
  RunId run;
  pid_t pid = 0;
  ExitStatus status;
  WallMillis at = 0;
};

// A run that an earlier daemon started.
struct AdoptedRun {
  RunId run;
  Process process;
  std::string note;
  std::optional<ProcessExit> exit;  // it has ended meanwhile
};

struct OutputPipes {
  UniqueFd out;  // read ends
  UniqueFd error;
};

// What became of bytes for a process' stdin.
enum class InputResult {
  taken,
  full,    // it does not read: nothing was taken
  closed,  // it has closed its stdin
  none,    // it was started without such a pipe
};

// Bytes of one write_input: a pipe takes as many as a whole or not at all, and a terminal's line has
// as many.
inline constexpr std::size_t kMaxInputBytes = 4096;

class Spawner {
 public:
  virtual ~Spawner() = default;

  // Each end of a spawned or adopted process, once, in a turn of the event loop of its own.
  virtual void on_exit(std::function<void(const ProcessExit&)> handler) = 0;

  // Starts a process with its own session, clean signals, descriptors 0-2 (and 3) only. Blocks
  // until the exec has succeeded or failed (well under a millisecond).
  virtual std::variant<Process, SpawnError> spawn(const SpawnRequest& request) = 0;

  // Why a process could not be limited in this way, and what to do; empty: it can. Throws
  // Error(invalid_spec) if a limit is no such thing.
  [[nodiscard]] virtual std::string limits_problem(const ProcessLimits& limits) const = 0;

  // Puts at most kMaxInputBytes into the stdin of a run; all of them or none. Never blocks.
  virtual InputResult write_input(RunId run, std::string_view bytes) = 0;

  // Changes the note of a run.
  virtual void remember(RunId run, const std::string& note) = 0;
  // The end of the run is acted upon and recorded, or it is of no more interest.
  virtual void forget(RunId run) = 0;

  // The pipes that all runs of an instance write to, made on first use. Returns read ends of their
  // own for the caller.
  virtual OutputPipes open_output(int pm_id) = 0;
  virtual void close_output(int pm_id) = 0;

  // Takes over a process known only by pid and start time (keeper and daemon both died). False: it
  // is not there any more.
  virtual bool adopt_by_pid(RunId run, pid_t pid, std::uint64_t start_time) = 0;
};

}  // namespace pmx
