#include "cli/log_view/file_watcher.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace pmx {
namespace {

constexpr std::uint32_t kFileEvents = IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;
constexpr std::uint32_t kDirectoryEvents = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                           IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::size_t kEventBuffer = 16 * 1024;

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string_view name_of(const std::string& path) {
  return std::string_view(path).substr(path.rfind('/') + 1);
}

}  // namespace

FileWatcher::FileWatcher() : inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}

void FileWatcher::watch(const std::string& path) {
  paths_.insert(path);
  const int directory =
      ::inotify_add_watch(inotify_.get(), directory_of(path).c_str(), kDirectoryEvents);
  if (directory >= 0) directories_[directory].insert(path);
  const int file = ::inotify_add_watch(inotify_.get(), path.c_str(), kFileEvents);
  // Absent is fine: its directory tells when it comes.
  const bool is_absent = file < 0 && errno == ENOENT;
  if (file >= 0) files_[file].insert(path);
  if (directory >= 0 && (file >= 0 || is_absent)) {
    unwatched_.erase(path);
  } else {
    unwatched_.insert(path);
  }
}

void FileWatcher::forget(const std::string& path) {
  paths_.erase(path);
  unwatched_.erase(path);
  for (auto* watches : {&files_, &directories_}) {
    for (auto next = watches->begin(); next != watches->end();) {
      const auto watch = next++;
      watch->second.erase(path);
      if (!watch->second.empty()) continue;
      ::inotify_rm_watch(inotify_.get(), watch->first);
      watches->erase(watch);
    }
  }
}

void FileWatcher::retry() {
  const std::set<std::string> paths = unwatched_;
  for (const std::string& path : paths) watch(path);
}

std::set<std::string> FileWatcher::take_changes() {
  std::set<std::string> changed;
  std::set<std::string> renamed;
  alignas(inotify_event) std::array<char, kEventBuffer> buffer;
  for (;;) {
    const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (size <= 0) break;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      inotify_event event{};
      std::memcpy(&event, &buffer[at], sizeof event);
      const char* name = event.len > 0 ? &buffer[at + sizeof event] : "";
      at += sizeof event + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        renamed.insert(paths_.begin(), paths_.end());
      } else if (const auto file = files_.find(event.wd); file != files_.end()) {
        changed.insert(file->second.begin(), file->second.end());
        if ((event.mask & IN_IGNORED) != 0) files_.erase(file);
      } else if (const auto found = directories_.find(event.wd); found != directories_.end()) {
        const bool concerns_all = (event.mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) != 0;
        for (const std::string& path : found->second) {
          if (concerns_all || name_of(path) == name) renamed.insert(path);
        }
        if ((event.mask & IN_IGNORED) != 0) directories_.erase(found);
      }
    }
  }
  // There may be another file under the name now.
  for (const std::string& path : renamed) watch(path);
  changed.merge(renamed);
  return changed;
}

}  // namespace pmx
