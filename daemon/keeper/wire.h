// The wire between pmx-keeper and pmxd: fixed-size messages on a SOCK_SEQPACKET pair, file
// descriptors beside them (SCM_RIGHTS). Both ends are of one build and one machine, so structs
// travel as they are; `magic` and `version` catch a mixed installation.
#pragma once

#include <cstdint>

namespace pmx::keeper {

inline constexpr std::uint32_t kMagic = 0x706d786b;  // "pmxk"
inline constexpr std::uint32_t kVersion = 1;
inline constexpr int kMaxSlots = 8192;
inline constexpr int kMaxFds = 8;                   // stored per slot, beside the pidfd
inline constexpr int kMaxMessageFds = kMaxFds + 1;  // the pidfd and the stored ones
inline constexpr int kStateBytes = 512;             // opaque to the keeper

// The daemon's exit codes that mean something to the keeper. Any other end: start it again.
inline constexpr int kExitShutdown = 0;  // orderly end: the keeper ends as well
// (EX_CONFIG) cannot run here; the keeper ends with it too unless it holds processes.
inline constexpr int kExitRefused = 78;
// The keeper's own: no daemon has ever become ready, and there is no process to keep.
inline constexpr int kExitNeverReady = 69;  // EX_UNAVAILABLE

// Decimal number in the daemon's environment: the soft RLIMIT_NOFILE the apps are to get back.
inline constexpr char kNofileVariable[] = "PMX_NOFILE_SOFT";

enum class Verb : std::uint32_t {
  // daemon -> keeper
  list = 1,   // asks for one `slot` per slot in use, `list_end`, then `exited` for each record.
              // Before the first `list` on a link the keeper says nothing.
  store = 2,  // creates or changes slot `slot`; `flags` say which parts; fds as flagged.
              // has_pid puts a new process in the slot: pid, pidfd and exit record of the one
              // before are forgotten. has_pid with pid 0: the slot has no process (any more), an
              // intent is taken back.
  drop = 3,   // forgets the slot and closes its fds
  ack = 4,    // the exit record of `slot` is safely written down: forget it, its pid and pidfd; fds
              // and state stay. `pid` must be the record's, or 0; without a record: no effect.
  ready = 5,  // the daemon manages everything again: back-off starts anew
  // keeper -> daemon
  slot = 16,  // one slot, with its fds; `flags` say what is there
  list_end = 17,
  exited = 18,  // `exit` of `slot`; repeated after each `list` until acked
};

enum Flags : std::uint32_t {
  has_pid = 1,     // pid, start_time valid. In `store`: the process now exists
  has_pidfd = 2,   // the first descriptor is the pidfd
  has_fds = 4,     // `fd_count` descriptors follow, replacing those stored
  has_state = 8,   // `state` valid
  has_exit = 16,   // `exit` valid. In `store` with has_pid: it has ended already, as recorded
  is_intent = 32,  // a process is about to be made for this slot: exits of unknown pids are
                   // remembered meanwhile
};

struct ExitRecord {
  std::int32_t pid;
  std::int32_t known;        // 1: wait_status valid; 0: it ended, nobody knows how
  std::int32_t wait_status;  // as of wait(2)
  std::int32_t reserved;
  std::int64_t wall_ms;  // when, CLOCK_REALTIME
  std::int64_t mono_ns;  // when, CLOCK_MONOTONIC
  std::int64_t user_us;  // rusage, 0 if unknown
  std::int64_t system_us;
  std::int64_t max_rss_kb;
};

struct Message {
  std::uint32_t magic;
  std::uint32_t version;
  Verb verb;
  std::uint32_t flags;
  std::uint64_t slot;  // chosen by the daemon, never 0
  std::int32_t pid;
  std::uint32_t fd_count;    // without the pidfd, <= kMaxFds
  std::uint64_t start_time;  // field 22 of /proc/PID/stat, clock ticks since boot
  ExitRecord exit;
  std::uint32_t state_size;  // <= kStateBytes
  std::uint32_t reserved;
  char state[kStateBytes];
};
static_assert(sizeof(Message) < 1024);

}  // namespace pmx::keeper
