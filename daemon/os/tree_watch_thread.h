// TreeWatchThread: the real FileWatch. A TreeWatch on a thread of its own, so that reading a big
// tree, or one on a slow disk, keeps nobody waiting. The thread begins with the first watch.
#pragma once

#include <functional>
#include <memory>

#include "daemon/os/tree_watch.h"
#include "daemon/ports/file_watch.h"

namespace pmx {

class TreeWatchThread final : public FileWatch {
 public:
  // Hands a function to the control thread; called from the watch's thread.
  using Post = std::function<void(std::function<void()>)>;

  explicit TreeWatchThread(Post post, std::size_t max_watches = TreeWatch::kMaxWatches);
  // Ends the thread. Every watch must be gone.
  ~TreeWatchThread() override;

  std::unique_ptr<Watch> watch(WatchRequest request, WatchEvents events) override;

 private:
  class Worker;
  class Registration;

  Post post_;
  std::size_t max_watches_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace pmx
