#include "daemon/os/socket_listeners.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "common/sys/proc_fs.h"
#include "common/sys/sock_diag.h"
#include "daemon/os/reuseport_steering.h"

namespace pmx {
namespace {

constexpr std::size_t kLongestCommand = 80;

void set_blocking(int fd, bool blocking) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ((flags & O_NONBLOCK) == 0) == blocking) return;
  (void)::fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

}  // namespace

std::pair<SocketListeners::Groups::const_iterator, SocketListeners::Groups::const_iterator>
SocketListeners::groups_of(std::uint64_t app_id) const {
  return {groups_.lower_bound(Name(app_id, "")), groups_.lower_bound(Name(app_id + 1, ""))};
}

std::pair<SocketListeners::Groups::iterator, SocketListeners::Groups::iterator>
SocketListeners::groups_of(std::uint64_t app_id) {
  return {groups_.lower_bound(Name(app_id, "")), groups_.lower_bound(Name(app_id + 1, ""))};
}

ListenResult SocketListeners::acquire(std::uint64_t app_id, RunId run, const std::string& key,
                                      const ListenRequest& request) {
  const Name name(app_id, key);
  auto found = groups_.find(name);
  if (found == groups_.end()) {
    const ListenResult opened = open_group(name, request);
    if (opened.error != 0) return opened;
    found = groups_.find(name);
  }
  Group& group = found->second;
  if (group.balance == Balance::slots) return give_slot(name, group, run, request.blocking);
  if (group.members.insert(run).second) {
    if (group.members.size() == 1 && !group.is_restored)
      set_blocking(group.slots.front().fd.get(), request.blocking);
    steer_group(name, group);
  }
  return {.error = 0, .fd = group.slots.front().fd.get(), .balance = group.balance};
}

// "port 3000 is held by process 123: node other.js"; nothing for other errors.
std::string SocketListeners::who_holds(int port, int error) {
  if (port == 0 || error != EADDRINUSE) return {};
  try {
    std::vector<std::uint64_t> inodes;
    for (const sys::TcpSocket& socket : sys::tcp_sockets(port, sys::kTcpListening))
      inodes.push_back(socket.inode);
    if (inodes.empty()) return {};
    std::sort(inodes.begin(), inodes.end());
    if (inodes == holder_.sockets) return holder_.text;
    const auto pid = sys::holder_of_socket(inodes);
    holder_ = {inodes, pid ? fmt::format("port {} is held by process {}: {}", port, *pid,
                                         sys::command_text(*pid, kLongestCommand))
                           : fmt::format("port {} is held by a process of somebody else", port)};
    return holder_.text;
  } catch (const std::system_error&) {
    return {};
  }
}

ListenResult SocketListeners::open_group(const Name& name, const ListenRequest& request) {
  const auto [first, last] = groups_of(name.first);
  if (std::distance(first, last) >= static_cast<std::ptrdiff_t>(kMaxPerApp))
    return {.error = EMFILE};
  const bool tcp = request.kind == ListenRequest::Kind::tcp;
  Group group;
  group.balance = tcp ? request.balance : Balance::shared;
  group.backlog = request.backlog;
  if (group.balance == Balance::slots) {
    OpenedSocket claim = claim_port(request);
    if (claim.error != 0)
      return {.error = claim.error, .problem = who_holds(request.port, claim.error)};
    // The claim (bound, not listening) has found the port, if it was 0, and keeps others out until
    // the group is there.
    OpenedSocket first_member = open_group_member(claim.fd.get(), request.backlog);
    const int refused =
        first_member.error != 0 ? first_member.error : steer(first_member.fd.get(), {0});
    if (refused == 0) {
      group.slots.push_back({std::move(first_member.fd), {}, {}});
      group.steered = {0};
    } else {
      group.balance = Balance::shared;
      group.remark = fmt::format("shared instead of slots: {}", std::strerror(refused));
    }
  }
  if (group.slots.empty()) {
    OpenedSocket made = open_listening_socket(request);
    if (made.error != 0)
      return {.error = made.error,
              .problem = tcp ? who_holds(request.port, made.error) : std::string()};
    group.slots.push_back({std::move(made.fd), {}, {}});
  }
  group.place = place_of_socket(group.slots.front().fd.get());
  const Group& added = groups_.emplace(name, std::move(group)).first->second;
  store(name, added, 0);
  return {};
}

// EADDRINUSE: others listen on that port, so they may be in the group, and its indexes are not what
// we count.
int SocketListeners::strangers_in(const Group& group) const {
  const int port = tcp_port_of(group.slots.front().fd.get());
  std::size_t ours = 0;
  for (const auto& [name, other] : groups_) {
    for (const Slot& slot : other.slots) {
      if (tcp_port_of(slot.fd.get()) == port) ++ours;
    }
  }
  try {
    return sys::tcp_sockets(port, sys::kTcpListening).size() > ours ? EADDRINUSE : 0;
  } catch (const std::system_error& error) {
    return error.code().value();
  }
}

ListenResult SocketListeners::give_slot(const Name& name, Group& group, RunId run, bool blocking) {
  std::size_t best = group.slots.size();
  int longest = -1;
  for (std::size_t i = 0; i < group.slots.size(); ++i) {
    const Slot& slot = group.slots[i];
    if (slot.owner == run) return {.error = 0, .fd = slot.fd.get(), .balance = Balance::slots};
    if (slot.owner) continue;
    // What waits in an abandoned slot is served first; else an instance gets what it had.
    const int score =
        2 * accept_queue_length(slot.fd.get()) + (slot.last_pm_id == run.pm_id ? 1 : 0);
    if (score > longest) {
      longest = score;
      best = i;
    }
  }
  if (best == group.slots.size() && !add_slot(name, group)) {
    // As good as `shared` for these two.
    best = group.slots.size() - 1;
    if (group.members.insert(run).second) steer_group(name, group);
    return {.error = 0, .fd = group.slots[best].fd.get(), .balance = Balance::slots};
  }
  set_owner(name, group, best, run);
  steer_group(name, group);
  set_blocking(group.slots[best].fd.get(), blocking);
  return {.error = 0, .fd = group.slots[best].fd.get(), .balance = Balance::slots};
}

bool SocketListeners::add_slot(const Name& name, Group& group) {
  const int pattern = group.slots.front().fd.get();
  int error = strangers_in(group);
  if (error == 0) {
    OpenedSocket made = open_group_member(pattern, group.backlog);
    error = made.error;
    if (error == 0) {
      group.slots.push_back({std::move(made.fd), {}, {}});
      return true;
    }
  }
  group.remark = fmt::format("no slot for every instance: {}",
                             error == EADDRINUSE ? "another process listens there with SO_REUSEPORT"
                                                 : std::strerror(error));
  store(name, group, 0);
  return false;
}

void SocketListeners::set_owner(const Name& name, Group& group, std::size_t index,
                                std::optional<RunId> owner) {
  Slot& slot = group.slots[index];
  slot.owner = owner;
  if (owner) slot.last_pm_id = owner->pm_id;
  store(name, group, index);
}

void SocketListeners::rejoin(std::uint64_t app_id, RunId run, const std::string& key) {
  const auto found = groups_.find(Name(app_id, key));
  if (found != groups_.end() && found->second.balance != Balance::slots)
    found->second.members.insert(run);
}

void SocketListeners::release(std::uint64_t app_id, RunId run, const std::string& key) {
  const Name name(app_id, key);
  const auto found = groups_.find(name);
  if (found != groups_.end()) free_slots(name, found->second, run);
}

void SocketListeners::free_slots(const Name& name, Group& group, RunId run) {
  bool changed = group.members.erase(run) > 0;
  for (std::size_t i = 0; i < group.slots.size(); ++i) {
    if (group.slots[i].owner != run) continue;
    set_owner(name, group, i, std::nullopt);
    changed = true;
  }
  if (changed) steer_group(name, group);
}

void SocketListeners::admit(std::uint64_t app_id, RunId run) {
  set_stage(app_id, run, Stage::admitted);
}

void SocketListeners::retire(std::uint64_t app_id, RunId run) {
  set_stage(app_id, run, Stage::retired);
}

void SocketListeners::set_stage(std::uint64_t app_id, RunId run, Stage stage) {
  const auto [entry, is_new] = stages_.try_emplace({app_id, run}, stage);
  if (!is_new && std::exchange(entry->second, stage) == stage) return;
  const auto [first, last] = groups_of(app_id);
  for (auto at = first; at != last; ++at) steer_group(at->first, at->second);
}

void SocketListeners::leave(std::uint64_t app_id, RunId run) {
  stages_.erase({app_id, run});
  const auto [first, last] = groups_of(app_id);
  for (auto at = first; at != last; ++at) free_slots(at->first, at->second, run);
}

// Those admitted; while there is none, those that start; else those that go.
std::vector<RunId> SocketListeners::live_runs(std::uint64_t app_id, const Group& group) const {
  std::set<RunId> runs = group.members;
  for (const Slot& slot : group.slots) {
    if (slot.owner) runs.insert(*slot.owner);
  }
  std::vector<RunId> admitted;
  std::vector<RunId> starting;
  std::vector<RunId> retired;
  for (const RunId run : runs) {
    const auto stage = stages_.find({app_id, run});
    if (stage == stages_.end()) {
      starting.push_back(run);
    } else {
      (stage->second == Stage::admitted ? admitted : retired).push_back(run);
    }
  }
  if (!admitted.empty()) return admitted;
  return starting.empty() ? retired : starting;
}

std::vector<RunId> SocketListeners::live(std::uint64_t app_id, const std::string& key) const {
  const auto found = groups_.find(Name(app_id, key));
  return found != groups_.end() ? live_runs(app_id, found->second) : std::vector<RunId>();
}

void SocketListeners::steer_group(const Name& name, Group& group) {
  if (group.balance == Balance::slots) {
    const std::vector<RunId> runs = live_runs(name.first, group);
    std::vector<std::size_t> live;
    for (std::size_t i = 0; i < group.slots.size(); ++i) {
      const auto& owner = group.slots[i].owner;
      if (owner && std::binary_search(runs.begin(), runs.end(), *owner)) live.push_back(i);
    }
    const bool last_is_shared =
        std::any_of(group.members.begin(), group.members.end(), [&runs](const RunId& member) {
          return std::binary_search(runs.begin(), runs.end(), member);
        });
    const std::size_t last = group.slots.size() - 1;
    if (last_is_shared && (live.empty() || live.back() != last)) live.push_back(last);
    if (live.empty()) live.push_back(0);  // nobody is there: all wait where the next run will look
    if (live != group.steered && steer(group.slots.front().fd.get(), live, group.aimed) == 0)
      group.steered = std::move(live);
  }
  if (events_.on_attendance_changed) events_.on_attendance_changed(name.first, name.second);
}

bool SocketListeners::is_steered(std::uint64_t app_id, RunId run) const {
  const auto [first, last] = groups_of(app_id);
  return std::none_of(first, last,
                      [run](const auto& entry) { return entry.second.members.contains(run); });
}

void SocketListeners::expect_runs(std::uint64_t app_id, bool expected) {
  const bool changed =
      expected ? expects_none_.erase(app_id) > 0 : expects_none_.insert(app_id).second;
  if (!changed || !events_.on_attendance_changed) return;
  const auto [first, last] = groups_of(app_id);
  for (auto at = first; at != last; ++at) events_.on_attendance_changed(app_id, at->first.second);
}

bool SocketListeners::expects_runs(std::uint64_t app_id) const {
  return !expects_none_.contains(app_id);
}

void SocketListeners::count_reset(std::uint64_t app_id, const std::string& key) {
  const auto found = groups_.find(Name(app_id, key));
  if (found != groups_.end()) ++found->second.reset;
}

bool SocketListeners::aim(std::uint64_t app_id, RunId run, int port, std::uint16_t client_port) {
  const auto [first, last] = groups_of(app_id);
  for (auto at = first; at != last; ++at) {
    Group& group = at->second;
    if (group.balance != Balance::slots || group.aimed.size() >= kMostAimed) continue;
    if (group.steered.empty()) steer_group(at->first, group);  // restored, nobody has joined yet
    for (std::size_t i = 0; i < group.slots.size(); ++i) {
      if (group.slots[i].owner != run || tcp_port_of(group.slots[i].fd.get()) != port) continue;
      group.aimed.push_back({client_port, i});
      if (steer(group.slots.front().fd.get(), group.steered, group.aimed) == 0) return true;
      group.aimed.pop_back();
    }
  }
  return false;
}

void SocketListeners::clear_aim(std::uint64_t app_id, int port, std::uint16_t client_port) {
  const auto [first, last] = groups_of(app_id);
  for (auto at = first; at != last; ++at) {
    Group& group = at->second;
    if (tcp_port_of(group.slots.front().fd.get()) != port) continue;
    const auto removed = std::erase_if(
        group.aimed, [&](const AimedClient& client) { return client.port == client_port; });
    if (removed == 0) continue;
    steer(group.slots.front().fd.get(), group.steered, group.aimed);
  }
}

int SocketListeners::queued(std::uint64_t app_id, RunId run) const {
  int count = 0;
  const auto [first, last] = groups_of(app_id);
  for (auto at = first; at != last; ++at) {
    for (const Slot& slot : at->second.slots) {
      if (slot.owner == run) count += accept_queue_length(slot.fd.get());
    }
  }
  return count;
}

std::vector<int> SocketListeners::ports(std::uint64_t app_id, RunId run) const {
  std::vector<int> ports;
  const auto [first, last] = groups_of(app_id);
  for (auto at = first; at != last; ++at) {
    const Group& group = at->second;
    const bool uses = group.members.contains(run) ||
                      std::any_of(group.slots.begin(), group.slots.end(),
                                  [run](const Slot& slot) { return slot.owner == run; });
    const int port = uses ? tcp_port_of(group.slots.front().fd.get()) : 0;
    if (port != 0) ports.push_back(port);
  }
  return ports;
}

std::vector<int> SocketListeners::unattended(std::uint64_t app_id, const std::string& key) const {
  std::vector<int> fds;
  const auto found = groups_.find(Name(app_id, key));
  if (found == groups_.end() || found->second.balance == Balance::shared) return fds;
  const Group& group = found->second;
  const bool shares_last = group.balance == Balance::slots && !group.members.empty();
  for (const Slot& slot : group.slots) {
    // With rr nobody owns the one there is.
    if (!slot.owner && !(shares_last && &slot == &group.slots.back())) fds.push_back(slot.fd.get());
  }
  return fds;
}

std::string SocketListeners::data(std::uint64_t app_id, const std::string& key) const {
  const auto found = groups_.find(Name(app_id, key));
  return found != groups_.end() ? found->second.data : std::string();
}

void SocketListeners::set_data(std::uint64_t app_id, const std::string& key,
                               const std::string& json) {
  const auto found = groups_.find(Name(app_id, key));
  if (found == groups_.end()) return;
  found->second.data = json;
  store(found->first, found->second, 0);
}

std::vector<ListenerStatus> SocketListeners::status(std::uint64_t app_id) const {
  std::vector<ListenerStatus> list;
  const auto [first, last] = groups_of(app_id);
  for (auto at = first; at != last; ++at) {
    const Group& group = at->second;
    ListenerStatus one{at->first.second,
                       describe_socket(group.slots.front().fd.get()),
                       group.balance,
                       group.remark,
                       0,
                       group.reset};
    for (const Slot& slot : group.slots) one.queued += accept_queue_length(slot.fd.get());
    list.push_back(std::move(one));
  }
  return list;
}

void SocketListeners::close_app(std::uint64_t app_id) {
  for (auto at = groups_.lower_bound(Name(app_id, ""));
       at != groups_.end() && at->first.first == app_id;) {
    const auto node = groups_.extract(at++);
    const Group& group = node.mapped();
    remove_socket_file(group.place);
    for (std::size_t i = 0; i < group.slots.size(); ++i) {
      if (events_.on_removed) events_.on_removed(entry_of(node.key(), group, i));
    }
    if (events_.on_attendance_changed) events_.on_attendance_changed(app_id, node.key().second);
  }
  expects_none_.erase(app_id);
  stages_.erase(stages_.lower_bound({app_id, RunId{}}), stages_.lower_bound({app_id + 1, RunId{}}));
}

SocketListeners::Entry SocketListeners::entry_of(const Name& name, const Group& group,
                                                 std::size_t index) {
  Entry entry{name.first, name.second, group.balance, index, group.slots[index].owner, {}, {}};
  if (index == 0) {
    entry.remark = group.remark;
    entry.data = group.data;
  }
  return entry;
}

void SocketListeners::store(const Name& name, const Group& group, std::size_t index) const {
  if (events_.on_stored)
    events_.on_stored(entry_of(name, group, index), group.slots[index].fd.get());
}

void SocketListeners::restore(const Entry& entry, UniqueFd fd) {
  Group& group = groups_[Name(entry.app_id, entry.key)];
  group.balance = entry.balance;
  group.is_restored = true;
  if (entry.index == 0) {
    group.remark = entry.remark;
    group.data = entry.data;
    group.place = place_of_socket(fd.get());
  }
  if (group.slots.size() <= entry.index) group.slots.resize(entry.index + 1);
  Slot& slot = group.slots[entry.index];
  slot.fd = std::move(fd);
  slot.owner = entry.owner;
  if (entry.owner) slot.last_pm_id = entry.owner->pm_id;
}

}  // namespace pmx
