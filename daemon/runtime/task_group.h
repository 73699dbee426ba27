// TaskGroup: the owner of coroutines. Nothing runs detached: what is spawned here can be cancelled
// and is waited for.
#pragma once

#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <cstddef>
#include <functional>
#include <list>
#include <string>

#include "daemon/runtime/async.h"

namespace pmx {

class TaskGroup {
 public:
  // `on_error` is told of each task that ends with an exception other than its cancellation; must
  // not throw.
  using OnError = std::function<void(const std::string& task, const std::string& what)>;

  TaskGroup(asio::io_context& io, OnError on_error)
      : io_(io), on_error_(std::move(on_error)), idle_(io) {}
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(std::string name, awaitable<void> task);
  // Asks every task to end; they do in their own time.
  void cancel();
  // Until no task is left.
  awaitable<void> join();
  [[nodiscard]] std::size_t size() const noexcept { return tasks_.size(); }

 private:
  struct Task {
    std::string name;
    asio::cancellation_signal cancellation;
  };

  asio::io_context& io_;
  OnError on_error_;
  Condition idle_;
  std::list<Task> tasks_;
};

}  // namespace pmx
