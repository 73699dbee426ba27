// LogPump: what the log thread knows: pipes (sources), files (targets), who waits for what. Used by
// that thread only.
//
// A target that cannot be written is blocked: its sources leave epoll, their bytes stay in the
// pipes, a timer tries again each second. Dropped is only what LogWhenFull::drop permits, once a
// pipe is half full, and what a detach gave up on; both are counted and told.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/unique_fd.h"
#include "daemon/os/line_framer.h"
#include "daemon/os/log_archive.h"
#include "daemon/os/log_file.h"

namespace pmx {

// Something the control thread waits for: posted when the last holder lets go of it, so exactly
// once, whatever happens.
class LogTicket {
 public:
  using Post = std::function<void(std::function<void()>)>;
  LogTicket(Post post, std::function<void()> done);
  ~LogTicket();
  LogTicket(const LogTicket&) = delete;
  LogTicket& operator=(const LogTicket&) = delete;

 private:
  Post post_;
  std::function<void()> done_;
};
using LogTicketPtr = std::shared_ptr<LogTicket>;

class LogPump {
 public:
  using Report = std::function<void(std::string)>;
  // Why the output of an instance is not written, or empty: it is again; and how many bytes of it
  // were dropped until now. At most once a second for each.
  using Trouble = std::function<void(int pm_id, std::string problem, std::uint64_t dropped)>;

  // `trouble` is called on the pump's thread, `report` also on another one. `wake` (borrowed) makes
  // `run_once` return when readable. Throws std::system_error.
  LogPump(int wake, Report report, Trouble trouble);

  // `type`: "out" or "err".
  void attach(int pm_id, UniqueFd pipe, const std::string& path, const LogStyle& style,
              const char* type);
  void end_line(int pm_id);
  void detach(int pm_id, const LogTicketPtr& ticket);
  void drain(int pm_id, const LogTicketPtr& ticket);
  void truncate(const std::vector<std::string>& paths);
  void rotate(const std::vector<std::string>& paths);
  void reopen();
  // Moves what is in all pipes now, as far as the files take it, and lets go of everything.
  void finish();

  // Sleeps until there is something to do and does a bounded amount of it. Returns whether `wake`
  // is readable.
  bool run_once();

 private:
  using Id = std::uint64_t;
  struct Target {
    Id id = 0;
    LogFile file;
    LogLimits limits = {};       // of the app that was attached last
    int error = 0;               // blocked by this errno
    bool is_reported = false;    // the user was told it is blocked, not yet that it is well again
    bool failed_lately = false;  // since the last tick
  };
  struct Waiter {
    std::uint64_t until;  // of Source::moved
    LogTicketPtr ticket;
  };
  struct Source {
    int pm_id = 0;
    UniqueFd pipe;
    std::shared_ptr<Target> target;
    std::shared_ptr<Target> copy;      // gets the same lines; may be none
    std::size_t copied = 0;            // bytes at the front of the pipe that `copy` has already
    std::optional<LineFramer> framer;  // none: byte for byte
    std::size_t rest = 0;              // bytes of no whole line that were left in the pipe
    std::uint64_t moved = 0;           // bytes
    bool is_watched = false;
    bool has_ended = false;
    bool is_leaving = false;
    std::uint64_t leave_at = 0;  // of `moved`
    int attempts_left = 0;       // leaving: ticks until it gives up
    std::vector<Waiter> waiters;

    [[nodiscard]] bool may_drop() const { return target->limits.when_full == LogWhenFull::drop; }
    [[nodiscard]] bool is_blocked() const {
      return target->error != 0 || (copy && copy->error != 0);
    }
  };
  // What is known of the output of an instance, and was told.
  struct State {
    std::string problem;
    std::uint64_t dropped = 0;
    friend bool operator==(const State&, const State&) = default;
  };

  std::shared_ptr<Target> target_for(const std::string& path, const LogLimits& limits);
  bool open_target(const std::shared_ptr<Target>& target);
  void after_write(Target& target);
  // Makes room in the pipe of a source whose file is full.
  void drop_excess(Source& source);
  void tell_troubles();
  // `all`: of lines, also what has no end yet.
  LogFile::Moved move(Source& source, std::size_t limit, bool all);
  void serve(Id id, bool end_line = false);
  void watch(Id id, Source& source);
  void rearm(Id id, const Source& source);
  void arm_rest_timer(const timespec& wait);
  void look_at_rests();
  void unwatch(Source& source);
  void block(const std::shared_ptr<Target>& target, int error);
  void unblock(const std::shared_ptr<Target>& target);
  void retry(const std::shared_ptr<Target>& target);
  void retry_all_blocked();
  void tick();
  void give_up(const Source& source);
  void remove(Id id);
  void set_timer(bool on);
  std::vector<Id> sources_of(int pm_id) const;
  std::vector<Id> sources_of(const Target& target) const;
  std::vector<std::shared_ptr<Target>> all_targets() const;

  Report report_;
  Trouble trouble_;
  LogArchive archive_;
  UniqueFd epoll_;
  UniqueFd timer_;
  UniqueFd rest_timer_;
  bool is_timer_on_ = false;
  Id next_id_;
  std::unordered_map<Id, Source> sources_;
  std::map<std::string, std::weak_ptr<Target>> targets_;
  std::map<int, std::uint64_t> dropped_;  // bytes, by instance; only those that have lost some
  std::map<int, State> told_;             // by instance; only those with a problem
};

}  // namespace pmx
