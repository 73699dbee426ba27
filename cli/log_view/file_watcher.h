// FileWatcher: says which files, given by path, may have changed: written, truncated, created,
// replaced, deleted (inotify on each file and on its directory). A path that cannot be watched
// makes it incomplete: the caller then looks for itself.
#pragma once

#include <map>
#include <set>
#include <string>

#include "common/base/unique_fd.h"

namespace pmx {

class FileWatcher {
 public:
  FileWatcher();

  // Readable when `take_changes` has something; -1 if the system gives no inotify instance.
  [[nodiscard]] int fd() const noexcept { return inotify_.get(); }
  // False while a path (its directory is missing, limits are reached) is not watched.
  [[nodiscard]] bool is_complete() const noexcept { return unwatched_.empty(); }

  void watch(const std::string& path);
  void forget(const std::string& path);
  // Tries again to watch what could not be watched.
  void retry();
  std::set<std::string> take_changes();

 private:
  UniqueFd inotify_;
  std::map<int, std::set<std::string>> files_;        // watch -> paths of that inode
  std::map<int, std::set<std::string>> directories_;  // watch of a directory -> paths in it
  std::set<std::string> paths_;
  std::set<std::string> unwatched_;
};

}  // namespace pmx
