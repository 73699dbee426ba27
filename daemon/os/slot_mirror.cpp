#include "daemon/os/slot_mirror.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "common/protocol/unit_store.h"
#include "common/sys/file.h"
#include "common/sys/passed_fds.h"
#include "common/sys/pidfd.h"
#include "common/sys/proc_fs.h"

namespace pmx {
namespace {

// What the memory file holds.
struct Record {
  keeper::Message message{};
  std::array<sys::FileId, keeper::kMaxFds> fds{};  // which is which: pipes and sockets have numbers
};

std::string name_of(std::uint64_t slot) { return fmt::format("pmx-{:016x}", slot); }

std::optional<Record> read_record(int fd) {
  Record record;
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size != sizeof record ||
      ::pread(fd, &record, sizeof record, 0) != sizeof record ||
      record.message.magic != keeper::kMagic || record.message.version != keeper::kVersion)
    return std::nullopt;
  return record;
}

// Its process as it is now.
void look_at_process(KeeperSlot& slot) {
  const auto same = [&slot] {
    const auto stat = sys::process_stat(slot.pid);
    return stat && stat->state != 'Z' && stat->start_time == slot.start_time;
  };
  if (slot.pid == 0 || slot.exit) return;
  slot.pidfd = sys::pidfd_open(slot.pid);
  // Looked at after the pidfd was opened: if the times agree, the pidfd is of that process.
  if (slot.pidfd && same()) return;
  slot.pidfd.reset();
  slot.exit.emplace();
  slot.exit->pid = slot.pid;
  slot.exit->wall_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
}

std::optional<KeeperSlot> slot_of(const Record& record, std::vector<UniqueFd> fds) {
  KeeperSlot slot;
  const keeper::Message& message = record.message;
  for (std::uint32_t i = 0; i < message.fd_count; ++i) {
    const auto found = std::find_if(fds.begin(), fds.end(), [&](const UniqueFd& fd) {
      return fd && sys::file_id(fd.get()) == record.fds.at(i);
    });
    if (found == fds.end()) return std::nullopt;
    slot.fds.push_back(std::move(*found));
    fds.erase(found);
  }
  slot.pid = message.pid;
  slot.start_time = message.start_time;
  slot.state.assign(static_cast<const char*>(message.state),
                    std::min<std::size_t>(message.state_size, keeper::kStateBytes));
  if ((message.flags & keeper::has_exit) != 0) slot.exit = message.exit;
  look_at_process(slot);
  return slot;
}

}  // namespace

SlotMirror::SlotMirror(asio::io_context& io, UniqueFd socket, const KeeperSlots& slots)
    : socket_(io), slots_(slots) {
  for (const auto& [id, slot] : slots_) changed_.insert(id);
  socket_.assign(socket.release());
  flush();
}

void SlotMirror::changed(std::uint64_t slot) {
  if (!socket_.is_open()) return;
  const bool idle = changed_.empty();
  changed_.insert(slot);
  if (!idle || waiting_) return;
  // Several changes of one slot come together.
  asio::post(socket_.get_executor(), [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) flush();
  });
}

void SlotMirror::flush() {
  if (waiting_ || !socket_.is_open()) return;
  bool sent = true;
  while (sent && !changed_.empty()) {
    sent = send(*changed_.begin());
    if (sent) changed_.erase(changed_.begin());
  }
  if (sent && !complete_) {
    sent = sys::send_with_fds(socket_.native_handle(), protocol::kMirrored, {}, MSG_DONTWAIT);
    complete_ = sent;
  }
  if (sent) return;
  if (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM && errno != ETOOMANYREFS) {
    socket_.close();  // the unit's main process has ended; the next one asks again
    changed_.clear();
    return;
  }
  waiting_ = true;
  socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                     [this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
                       if (alive.expired()) return;
                       waiting_ = false;
                       if (!error) flush();
                     });
}

bool SlotMirror::send(std::uint64_t id) {
  const std::string name = name_of(id);
  const auto found = slots_.find(id);
  if (found == slots_.end())
    return sys::send_with_fds(socket_.native_handle(), name, {}, MSG_DONTWAIT);
  const KeeperSlot& slot = found->second;
  Record record{store_message(id, slot), {}};
  std::vector<int> fds;
  for (const UniqueFd& fd : slot.fds) {
    record.fds.at(fds.size()) = sys::file_id(fd.get()).value_or(sys::FileId{});
    fds.push_back(fd.get());
  }
  record.message.fd_count = static_cast<std::uint32_t>(fds.size());
  try {
    const UniqueFd file = sys::memory_file(
        "pmx-slot", {reinterpret_cast<const char*>(&record), sizeof record});  // NOLINT: as it is
    fds.push_back(file.get());
    return sys::send_with_fds(socket_.native_handle(), name, fds, MSG_DONTWAIT);
  } catch (const std::system_error&) {
    return true;  // no room in memory, or no descriptor left: without this one
  }
}

KeeperSlots mirrored_slots(std::vector<NamedFd> stored) {
  std::map<std::string, std::vector<UniqueFd>> named;
  std::map<std::string, Record> records;
  for (NamedFd& one : stored) {
    const std::optional<Record> record = read_record(one.fd.get());
    if (record && name_of(record->message.slot) == one.name) {
      records[one.name] = *record;
    } else {
      named[one.name].push_back(std::move(one.fd));
    }
  }
  KeeperSlots slots;
  for (const auto& [name, record] : records) {
    std::optional<KeeperSlot> slot = slot_of(record, std::move(named[name]));
    if (slot) slots[record.message.slot] = std::move(*slot);
  }
  return slots;
}

}  // namespace pmx
