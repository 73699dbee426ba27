#include "daemon/os/listener_store.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "daemon/keeper/wire.h"
#include "daemon/os/keeper_slots.h"

namespace pmx {
namespace {

UniqueFd duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) throw std::system_error(errno, std::generic_category(), "duplicate listening socket");
  return copy;
}

template <class Number>
Number number_from(std::string_view text) {
  Number value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// The state of a listener slot: lines, none of which can hold a line end itself. App, key, policy,
// index, owner ("-" or PM_ID.GENERATION), remark, data.
constexpr std::size_t kLines = 7;

std::string text_of(const SocketListeners::Entry& entry) {
  const std::string owner =
      entry.owner ? fmt::format("{}.{}", entry.owner->pm_id, entry.owner->generation) : "-";
  const std::string text = fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n", entry.app_id, entry.key,
                                       to_string(entry.balance), entry.index, owner, entry.remark);
  // The slot cuts what is longer, and half of a JSON text is worse than none.
  return text.size() + entry.data.size() <= keeper::kStateBytes ? text + entry.data : text;
}

SocketListeners::Entry parse(std::string_view text) {
  std::array<std::string_view, kLines> lines;
  for (std::string_view& line : lines) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  SocketListeners::Entry entry;
  entry.app_id = number_from<std::uint64_t>(lines[0]);
  entry.key = lines[1];
  entry.balance = balance_from(lines[2]).value_or(Balance::shared);
  entry.index = std::min<std::size_t>(number_from<std::size_t>(lines[3]), keeper::kMaxSlots);
  if (const std::size_t dot = lines[4].find('.'); dot != std::string_view::npos) {
    entry.owner = RunId{number_from<int>(lines[4].substr(0, dot)),
                        number_from<std::uint32_t>(lines[4].substr(dot + 1))};
  }
  entry.remark = lines[5];
  entry.data = lines[6];
  return entry;
}

}  // namespace

ListenerStore::ListenerStore(KeeperLink& link, Attendance on_attendance_changed)
    : link_(link),
      listeners_(
          {.on_stored = [this](const SocketListeners::Entry& entry, int fd) { stored(entry, fd); },
           .on_removed = [this](const SocketListeners::Entry& entry) { removed(entry); },
           .on_attendance_changed = std::move(on_attendance_changed)}) {}

void ListenerStore::restore() {
  for (const auto& [id, slot] : link_.slots()) {
    if (slot_kind(id) != SlotKind::listener || slot.fds.empty()) continue;
    const SocketListeners::Entry entry = parse(slot.state);
    const std::uint64_t number = id & ((std::uint64_t{1} << 56U) - 1);
    last_number_ = std::max(last_number_, number);
    numbers_[{entry.app_id, entry.key, entry.index}] = number;
    listeners_.restore(entry, duplicate(slot.fds.front().get()));
  }
}

void ListenerStore::stored(const SocketListeners::Entry& entry, int fd) {
  const auto [number, is_new] =
      numbers_.try_emplace({entry.app_id, entry.key, entry.index}, last_number_ + 1);
  if (!is_new) {
    link_.store_state(listener_slot(number->second), text_of(entry));
    return;
  }
  ++last_number_;
  std::vector<UniqueFd> fds;
  fds.push_back(duplicate(fd));
  link_.store_fds(listener_slot(number->second), std::move(fds), text_of(entry));
}

void ListenerStore::removed(const SocketListeners::Entry& entry) {
  const auto found = numbers_.find({entry.app_id, entry.key, entry.index});
  if (found == numbers_.end()) return;
  link_.drop(listener_slot(found->second));
  numbers_.erase(found);
}

}  // namespace pmx
