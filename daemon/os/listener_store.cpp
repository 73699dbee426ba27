#include "daemon/os/listener_store.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <vector>

#include "daemon/os/keeper_slots.h"

namespace pmx {
namespace {

UniqueFd duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) throw std::system_error(errno, std::generic_category(), "duplicate listening socket");
  return copy;
}

// The state of a listener slot: three lines, none of which can hold a line end itself.
struct Description {
  std::uint64_t app_id = 0;
  std::string key;
  std::string data;
};

std::string text_of(const SocketListeners::Entry& entry) {
  return fmt::format("{}\n{}\n{}", entry.app_id, entry.key, entry.data);
}

Description parse(const std::string& text) {
  Description description;
  const std::size_t first = text.find('\n');
  const std::size_t second = first == std::string::npos ? first : text.find('\n', first + 1);
  if (second == std::string::npos) return description;
  std::from_chars(text.data(), text.data() + first, description.app_id);
  description.key = text.substr(first + 1, second - first - 1);
  description.data = text.substr(second + 1);
  return description;
}

}  // namespace

ListenerStore::ListenerStore(KeeperLink& link)
    : link_(link),
      listeners_({.on_stored = [this](const SocketListeners::Entry& entry) { stored(entry); },
                  .on_removed = [this](std::uint64_t app_id,
                                       const std::string& key) { removed(app_id, key); }}) {}

void ListenerStore::restore() {
  for (const auto& [id, slot] : link_.slots()) {
    if (slot_kind(id) != SlotKind::listener || slot.fds.empty()) continue;
    const Description description = parse(slot.state);
    const std::uint64_t number = id & ((std::uint64_t{1} << 56U) - 1);
    last_number_ = std::max(last_number_, number);
    numbers_[{description.app_id, description.key}] = number;
    listeners_.restore(description.app_id, description.key, description.data,
                       duplicate(slot.fds.front().get()));
  }
}

void ListenerStore::stored(const SocketListeners::Entry& entry) {
  const auto [name, is_new] = numbers_.try_emplace({entry.app_id, entry.key}, last_number_ + 1);
  if (is_new) ++last_number_;
  std::vector<UniqueFd> fds;
  fds.push_back(duplicate(entry.fd));
  link_.store_fds(listener_slot(name->second), std::move(fds), text_of(entry));
}

void ListenerStore::removed(std::uint64_t app_id, const std::string& key) {
  const auto found = numbers_.find({app_id, key});
  if (found == numbers_.end()) return;
  link_.drop(listener_slot(found->second));
  numbers_.erase(found);
}

}  // namespace pmx
