#include "daemon/os/tree_watch_thread.h"

#include <pthread.h>

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <atomic>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace pmx {
namespace {

// Of one watch, between two looks of the control thread; more changes add nothing.
constexpr std::size_t kMaxPaths = 1000;

// What the watch's thread has seen and the control thread not yet been told.
class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  Mailbox(TreeWatchThread::Post post, WatchEvents events)
      : post_(std::move(post)), events_(std::move(events)) {}

  // From the watch's thread.
  void change(const std::string& path) {
    put([&] {
      if (news_.paths.size() < kMaxPaths) news_.paths.push_back(path);
    });
  }
  void problem(const std::string& text) {
    put([&] { news_.problem = text; });
  }
  void begun() {
    put([&] { news_.begun = true; });
  }

  // From the control thread. Nothing is told any more, and a tree that is being read is left.
  void close() { closed_ = true; }
  [[nodiscard]] bool closed() const { return closed_; }

 private:
  struct News {
    std::vector<std::string> paths;
    std::optional<std::string> problem;
    bool begun = false;
  };

  template <class Note>
  void put(Note note) {
    {
      const std::lock_guard lock(mutex_);
      note();
      if (std::exchange(posted_, true)) return;
    }
    post_([self = shared_from_this()] { self->tell(); });
  }

  void tell() {
    News news;
    {
      const std::lock_guard lock(mutex_);
      news = std::exchange(news_, {});
      posted_ = false;
    }
    if (news.problem && !closed_) events_.problem(*news.problem);
    for (const std::string& path : news.paths) {
      if (!closed_) events_.changed(path);
    }
    if (news.begun && !closed_) events_.begun();
  }

  TreeWatchThread::Post post_;
  WatchEvents events_;
  std::atomic<bool> closed_ = false;
  std::mutex mutex_;
  News news_;            // guarded by mutex_
  bool posted_ = false;  // guarded by mutex_
};

WatchedRoot root_of(WatchRequest request, const std::shared_ptr<Mailbox>& mailbox) {
  return {.path = std::move(request.path),
          .ignored =
              [mailbox, ignored = std::move(request.ignored)](std::string_view path,
                                                              bool is_directory) {
                return mailbox->closed() || ignored(path, is_directory);
              },
          .changed = [mailbox](const std::string& path) { mailbox->change(path); },
          .problem = [mailbox](const std::string& text) { mailbox->problem(text); }};
}

}  // namespace

class TreeWatchThread::Worker {
 public:
  explicit Worker(std::size_t max_watches)
      : tree_(io_, max_watches), work_(io_.get_executor()), thread_([this] { run(); }) {}
  ~Worker() { io_.stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // From the control thread. `id` belongs to the watch's thread.
  void add(WatchRequest request, std::shared_ptr<Mailbox> mailbox,
           std::shared_ptr<TreeWatch::RootId> id) {
    asio::post(io_, [this, request = std::move(request), mailbox = std::move(mailbox),
                     id = std::move(id)]() mutable {
      if (mailbox->closed()) return;
      *id = tree_.add(root_of(std::move(request), mailbox));
      mailbox->begun();
    });
  }
  void remove(std::shared_ptr<TreeWatch::RootId> id) {
    asio::post(io_, [this, id = std::move(id)] {
      if (*id != 0) tree_.remove(*id);
    });
  }

 private:
  void run() {
    sigset_t all;
    ::sigfillset(&all);  // signals belong to the control thread
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    ::pthread_setname_np(::pthread_self(), "pmxd-watch");
    io_.run();
  }

  asio::io_context io_{1};
  TreeWatch tree_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::jthread thread_;
};

class TreeWatchThread::Registration final : public Watch {
 public:
  Registration(Worker& worker, WatchRequest request, std::shared_ptr<Mailbox> mailbox)
      : worker_(worker), mailbox_(std::move(mailbox)) {
    worker_.add(std::move(request), mailbox_, id_);
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  ~Registration() override {
    mailbox_->close();
    worker_.remove(id_);
  }

 private:
  Worker& worker_;
  std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<TreeWatch::RootId> id_ = std::make_shared<TreeWatch::RootId>(0);
};

TreeWatchThread::TreeWatchThread(Post post, std::size_t max_watches)
    : post_(std::move(post)), max_watches_(max_watches) {}

TreeWatchThread::~TreeWatchThread() = default;

std::unique_ptr<FileWatch::Watch> TreeWatchThread::watch(WatchRequest request, WatchEvents events) {
  if (!worker_) worker_ = std::make_unique<Worker>(max_watches_);
  return std::make_unique<Registration>(*worker_, std::move(request),
                                        std::make_shared<Mailbox>(post_, std::move(events)));
}

}  // namespace pmx
