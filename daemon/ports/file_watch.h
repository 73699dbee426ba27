// FileWatch: tells what changes in directories and files that an app depends on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace pmx {

struct WatchRequest {
  // Absolute: a directory, with everything below it, or a file. It may be missing, and come and go.
  std::string path;
  // Of a path relative to it. An ignored directory is not even looked into. Called on any thread,
  // from the request until after the end of the watch: it owns what it needs.
  std::function<bool(std::string_view path, bool is_directory)> ignored;
};

// Called on the control thread, each from a turn of the event loop of its own. Any of them may end
// the watch.
struct WatchEvents {
  // Relative to the request's path; "." is that itself, or anything may have changed. Of very many
  // changes at once not all are told.
  std::function<void(const std::string& path)> changed;
  // What is not watched, why and what to do; empty: nothing is amiss any more.
  std::function<void(const std::string& text)> problem;
  // What changes from now on is told. Comes once, also if there is a problem.
  std::function<void()> begun;
};

class FileWatch {
 public:
  // Watches as long as it lives; no event comes afterwards.
  class Watch {
   public:
    Watch() = default;
    virtual ~Watch() = default;
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
  };

  virtual ~FileWatch() = default;
  // Returns at once, however big the tree is.
  virtual std::unique_ptr<Watch> watch(WatchRequest request, WatchEvents events) = 0;
};

}  // namespace pmx
