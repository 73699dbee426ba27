// TreeWatch: tells what changes in directory trees, for all apps through one inotify instance.
//
// Directories that appear are watched, with what is in them already; nothing is lost between. A root
// may be a file, may be missing, and may come and go: then the nearest directory above it is
// watched. Symbolic links below a root are not followed. Not for several threads: everything happens
// on `io`'s. Adding a root reads its directories, so a big tree keeps that thread busy: see
// TreeWatchThread.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pmx {

struct WatchedRoot {
  std::string path;  // absolute
  // Of a path relative to the root. An ignored directory is not even looked into.
  std::function<bool(std::string_view path, bool is_directory)> ignored;
  // A path relative to the root; "." is the root itself, or events were lost and anything may have
  // changed. Not called from add(). May add and remove roots.
  std::function<void(const std::string& path)> changed;
  // What is not watched, why and what to do; empty: that is over. It is watched as far as possible.
  // May be called from add(). Must not add or remove roots.
  std::function<void(const std::string& problem)> problem;
};

class TreeWatch {
 public:
  using RootId = std::uint64_t;

  static constexpr std::size_t kMaxWatches = 100'000;  // a kilobyte each, in the kernel

  explicit TreeWatch(asio::io_context& io, std::size_t max_watches = kMaxWatches);
  ~TreeWatch();

  RootId add(WatchedRoot root);
  void remove(RootId id);
  // How many directories are watched.
  [[nodiscard]] std::size_t watches() const noexcept { return directories_.size(); }

 private:
  // Why a directory is watched. Several roots may share one inotify watch.
  struct Use {
    RootId root = 0;
    std::string path;  // relative to the root: "" or "src/"
    // Not "": a directory above the root or of a file, where only this name matters.
    std::string awaited;
  };
  struct Root {
    WatchedRoot options;
    std::map<std::string, int, std::less<>> watches;  // Use::path to inotify's number
    std::string problem;                              // the first one since everything was watched
    std::string problem_told;
  };
  struct Event;

  void wait();
  void read_events();
  void handle(const Event& event);
  void handle_for(const Use& use, const Event& event);
  void overflowed();
  // Watches the root anew, or what is there of its path.
  void watch_root(RootId id);
  void watch_above(RootId id);
  // `path`: "" or "src/". What is found is told if `tell`.
  void watch_tree(RootId id, const std::string& path, bool tell);
  bool watch_directory(const std::string& directory, Use use);
  void drop(RootId id, std::string_view below);
  void forget(int watch, RootId id);
  void tell_change(RootId id, const std::string& path);
  void tell_problem(RootId id);

  asio::posix::stream_descriptor inotify_;
  std::string no_inotify_;  // why there is none
  std::size_t max_watches_;
  RootId last_id_ = 0;
  std::map<RootId, Root> roots_;
  std::map<int, std::vector<Use>> directories_;  // by inotify's number
};

}  // namespace pmx
