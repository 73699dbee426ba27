#include "daemon/os/tree_watch.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

namespace pmx {
namespace {

// Writing is told when the file is closed. One mask for every use, as uses share watches.
constexpr std::uint32_t kEvents = IN_CREATE | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR |
                                  IN_EXCL_UNLINK;
constexpr std::size_t kEventBuffer = 64 * 1024;

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

std::string why_not(int error) {
  if (error == ENOSPC) {
    return "the user's inotify watches are used up; ignore directories (ignore_watch), or raise "
           "the limit (sysctl fs.inotify.max_user_watches), then restart the app";
  }
  return std::strerror(error);
}

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool is_directory(const std::string& path, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

struct TreeWatch::Event {
  int watch;
  std::uint32_t mask;
  std::string name;

  [[nodiscard]] bool is(std::uint32_t bits) const { return (mask & bits) != 0; }
};

TreeWatch::TreeWatch(asio::io_context& io, std::size_t max_watches)
    : inotify_(io), max_watches_(max_watches) {
  const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) {
    no_inotify_ = fmt::format(
        "nothing is watched: inotify: {}; raise the limit (sysctl fs.inotify.max_user_instances, "
        "or "
        "that of open files), then restart the daemon",
        std::strerror(errno));
    return;
  }
  inotify_.assign(fd);
  wait();
}

TreeWatch::~TreeWatch() = default;

TreeWatch::RootId TreeWatch::add(WatchedRoot root) {
  while (root.path.size() > 1 && root.path.ends_with('/')) root.path.pop_back();
  const RootId id = ++last_id_;
  roots_[id].options = std::move(root);
  if (inotify_.is_open()) {
    watch_root(id);
  } else {
    roots_.at(id).problem = no_inotify_;
  }
  tell_problem(id);
  return id;
}

void TreeWatch::remove(RootId id) {
  drop(id, "");
  roots_.erase(id);
}

void TreeWatch::wait() {
  inotify_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [this](const std::error_code& error) {
                        if (error) return;
                        read_events();
                        wait();
                      });
}

void TreeWatch::read_events() {
  alignas(inotify_event) std::array<char, kEventBuffer> buffer;
  for (;;) {
    const ssize_t size = ::read(inotify_.native_handle(), buffer.data(), buffer.size());
    if (size <= 0) return;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      inotify_event raw{};
      std::memcpy(&raw, &buffer[at], sizeof raw);
      Event event{raw.wd, raw.mask, raw.len > 0 ? &buffer[at + sizeof raw] : ""};
      at += sizeof raw + raw.len;
      handle(event);
    }
  }
}

void TreeWatch::handle(const Event& event) {
  if (event.is(IN_Q_OVERFLOW)) return overflowed();
  const auto found = directories_.find(event.watch);
  if (found == directories_.end()) return;  // no longer of interest
  // A copy: what is told may add and remove roots.
  const std::vector<Use> uses = found->second;
  if (event.is(IN_IGNORED)) {
    directories_.erase(found);
    for (const Use& use : uses) roots_.at(use.root).watches.erase(use.path);
  }
  for (const Use& use : uses) {
    if (!roots_.contains(use.root)) continue;
    handle_for(use, event);
    tell_problem(use.root);
  }
}

void TreeWatch::handle_for(const Use& use, const Event& event) {
  const RootId id = use.root;
  const bool self = event.is(IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT);
  if (!use.awaited.empty()) {
    // Of a directory above the root, or of that of a file.
    if (!self && event.name != use.awaited) return;
    watch_root(id);
    struct stat status {};
    const bool is_there = ::stat(roots_.at(id).options.path.c_str(), &status) == 0;
    if (is_there || event.is(IN_DELETE | IN_MOVED_FROM)) tell_change(id, ".");
    return;
  }
  if (self) {
    // Below the root the directory above it tells the same.
    if (!use.path.empty() || event.is(IN_IGNORED)) return;
    watch_root(id);
    return tell_change(id, ".");
  }
  if (event.name.empty()) return;
  const std::string path = use.path + event.name;
  const Root& root = roots_.at(id);
  const bool directory = event.is(IN_ISDIR);
  if (root.options.ignored && root.options.ignored(path, directory)) return;
  // Also where it appears: the name may have been another directory's a moment ago.
  if (directory) drop(id, path + "/");
  if (directory && event.is(IN_CREATE | IN_MOVED_TO)) {
    watch_tree(id, path + "/", true);
    if (!roots_.contains(id)) return;
  }
  tell_change(id, path);
}

void TreeWatch::overflowed() {
  std::vector<RootId> ids;
  for (const auto& [id, root] : roots_) ids.push_back(id);
  for (const RootId id : ids) {
    if (!roots_.contains(id)) continue;
    watch_root(id);
    tell_problem(id);
    tell_change(id, ".");
  }
}

void TreeWatch::watch_root(RootId id) {
  drop(id, "");
  Root& root = roots_.at(id);
  root.problem.clear();
  if (is_directory(root.options.path)) {
    watch_tree(id, "", false);
  } else {
    watch_above(id);
  }
}

// What appears between the look and the watch is found by the next look.
void TreeWatch::watch_above(RootId id) {
  Root& root = roots_.at(id);
  const std::string& path = root.options.path;
  for (std::string above = path; above != "/";) {
    const std::size_t slash = above.rfind('/');
    const std::string name = above.substr(slash + 1);
    above.erase(std::max<std::size_t>(slash, 1));
    if (!watch_directory(above, {id, "", name})) {
      if (!root.problem.empty()) return;
      continue;
    }
    const std::string next = above == "/" ? "/" + name : above + "/" + name;
    if (is_directory(next)) return watch_root(id);
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
      root.problem =
          fmt::format("{}: {}; it is watched as soon as it is there", path, std::strerror(errno));
    return;
  }
}

void TreeWatch::watch_tree(RootId id, const std::string& path, bool tell) {
  std::vector<std::string> found{path};
  while (!found.empty()) {
    const std::string here = std::move(found.back());
    found.pop_back();
    Root& root = roots_.at(id);
    const std::string directory = root.options.path + "/" + here;
    // First the watch, then the look: what appears between is seen twice, never missed.
    if (!watch_directory(directory, {id, here, ""})) continue;
    const std::unique_ptr<DIR, CloseDirectory> list(::opendir(directory.c_str()));
    if (!list) {
      if (errno != ENOENT && root.problem.empty())
        root.problem = fmt::format("{} is not watched: {}", directory, why_not(errno));
      continue;
    }
    std::vector<std::string> changed;
    while (const dirent* const entry = ::readdir(list.get())) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      const std::string each = here + std::string(name);
      const bool is_dir = is_directory(root.options.path + "/" + each, *entry);
      if (!is_dir && !tell) continue;
      if (root.options.ignored && root.options.ignored(each, is_dir)) continue;
      if (is_dir) found.push_back(each + "/");
      if (tell) changed.push_back(each);
    }
    for (const std::string& each : changed) {
      tell_change(id, each);
      if (!roots_.contains(id)) return;
    }
  }
}

// False: it is not watched, or is by this root already (mounted twice).
bool TreeWatch::watch_directory(const std::string& directory, Use use) {
  Root& root = roots_.at(use.root);
  const auto fails = [&root](std::string why) {
    if (root.problem.empty()) root.problem = std::move(why);
    return false;
  };
  if (directories_.size() >= max_watches_) {
    return fails(fmt::format(
        "{} and perhaps more are not watched: all apps together may watch {} directories; ignore "
        "some of them (ignore_watch)",
        directory, max_watches_));
  }
  const int watch = ::inotify_add_watch(inotify_.native_handle(), directory.c_str(), kEvents);
  if (watch < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return fails(fmt::format("{} and perhaps more are not watched: {}", directory, why_not(errno)));
  }
  std::vector<Use>& uses = directories_[watch];
  const auto is_ours = [&](const Use& each) { return each.root == use.root; };
  if (std::ranges::any_of(uses, is_ours)) return false;
  root.watches[use.path] = watch;
  uses.push_back(std::move(use));
  return true;
}

void TreeWatch::drop(RootId id, std::string_view below) {
  auto& watches = roots_.at(id).watches;
  for (auto each = watches.lower_bound(below);
       each != watches.end() && each->first.starts_with(below); each = watches.erase(each)) {
    forget(each->second, id);
  }
}

void TreeWatch::forget(int watch, RootId id) {
  const auto found = directories_.find(watch);
  std::erase_if(found->second, [id](const Use& use) { return use.root == id; });
  if (!found->second.empty()) return;
  // Fails where the directory is gone, and its watch with it.
  ::inotify_rm_watch(inotify_.native_handle(), watch);
  directories_.erase(found);
}

void TreeWatch::tell_change(RootId id, const std::string& path) {
  // A copy: it may remove its root.
  const auto changed = roots_.at(id).options.changed;
  if (changed) changed(path);
}

void TreeWatch::tell_problem(RootId id) {
  const auto found = roots_.find(id);
  if (found == roots_.end() || found->second.problem == found->second.problem_told) return;
  found->second.problem_told = found->second.problem;
  if (found->second.options.problem) found->second.options.problem(found->second.problem);
}

}  // namespace pmx
