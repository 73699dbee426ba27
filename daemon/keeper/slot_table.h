// The keeper's memory: a fixed table of slots, each a process, descriptors and a few opaque bytes.
#pragma once

#include <sys/types.h>

#include "daemon/keeper/wire.h"

namespace pmx::keeper {

struct Slot {
  std::uint64_t start_time;
  pid_t pid;  // 0: none
  int pidfd;  // -1: none
  bool is_intent;
  bool has_exit;
  bool is_unsent;   // the daemon is to be told of `exit`
  bool is_watched;  // not our child: epoll watches `pidfd`
  int fd_count;
  int fds[kMaxFds];
  ExitRecord exit;
  std::uint32_t state_size;
  char state[kStateBytes];
};

// Owns the descriptors in its slots. Indices are 0 .. size() - 1, with holes. Zero-initialised
// (static storage) is an empty table, so that unused slots cost no memory.
class SlotTable {
 public:
  static constexpr int kNone = -1;

  // Where pidfds of foreign processes are watched, as `event_base` + index.
  void watch_with(int epoll_fd, std::uint64_t event_base) noexcept;

  [[nodiscard]] int size() const noexcept { return size_; }
  [[nodiscard]] bool is_used(int index) const noexcept { return ids_[index] != 0; }
  [[nodiscard]] std::uint64_t id(int index) const noexcept { return ids_[index]; }
  [[nodiscard]] Slot& at(int index) noexcept { return slots_[index]; }

  // Index of a slot by its id, or by its process that has not ended; or kNone.
  [[nodiscard]] int find(std::uint64_t id) const noexcept;
  [[nodiscard]] int find_running(pid_t pid) const noexcept;

  // A slot that may have become a process.
  [[nodiscard]] bool has_intents() const noexcept { return intents_ > 0; }
  // Something may run that would lose its parent with us.
  [[nodiscard]] bool has_processes() const noexcept { return running_count_ > 0 || intents_ > 0; }

  // The slot of that id, a new one if needed; kNone: the table is full.
  [[nodiscard]] int find_or_create(std::uint64_t id) noexcept;
  // Does what a `store` message says. Takes over the descriptors.
  void store(int index, const Message& message, const int* fds, int fd_count) noexcept;
  // The slot's process has ended.
  void record_exit(int index, const ExitRecord& record) noexcept;
  // Forgets pid, pidfd and exit record.
  void forget_process(int index) noexcept;
  void drop(int index) noexcept;

  // Has epoll report when the process (not our child) becomes a zombie, or only when its parent
  // has reaped it.
  enum class Until { ended, reaped };
  void watch(int index, Until until) noexcept;
  void unwatch(int index) noexcept;

  // Fills in a `slot` message; the descriptors stay the table's. Returns their number.
  int describe(int index, Message& message, int* fds) const noexcept;

 private:
  void set_intent(Slot& slot, bool is_intent) noexcept;
  void set_running(int index, pid_t pid) noexcept;
  void close_pidfd(int index) noexcept;
  static void close_fds(Slot& slot) noexcept;

  // Apart from the slots, for a search to touch little memory.
  std::uint64_t ids_[kMaxSlots];  // 0: free
  pid_t running_[kMaxSlots];      // 0: no process, or it has ended
  Slot slots_[kMaxSlots];
  int size_;
  int intents_;
  int running_count_;
  int epoll_fd_;
  std::uint64_t event_base_;
};

}  // namespace pmx::keeper
