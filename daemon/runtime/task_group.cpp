#include "daemon/runtime/task_group.h"

#include <asio/bind_cancellation_slot.hpp>
#include <exception>
#include <system_error>
#include <utility>

namespace pmx {

void TaskGroup::spawn(std::string name, awaitable<void> task) {
  const auto entry = tasks_.emplace(tasks_.end());
  entry->name = std::move(name);
  auto finished = [this, entry](const std::exception_ptr& error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const std::system_error& failure) {
      if (failure.code() != asio::error::operation_aborted) on_error_(entry->name, failure.what());
    } catch (const std::exception& failure) {
      on_error_(entry->name, failure.what());
    }
    tasks_.erase(entry);
    if (tasks_.empty()) idle_.notify_all();
  };
  asio::co_spawn(io_, std::move(task),
                 asio::bind_cancellation_slot(entry->cancellation.slot(), std::move(finished)));
}

void TaskGroup::cancel() {
  // A cancelled task may end at once and take itself off the list.
  for (auto task = tasks_.begin(); task != tasks_.end();) {
    const auto current = task++;
    current->cancellation.emit(asio::cancellation_type::terminal);
  }
}

awaitable<void> TaskGroup::join() {
  while (!tasks_.empty()) co_await idle_.wait();
}

}  // namespace pmx
