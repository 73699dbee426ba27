// The one place that names Asio's coroutine pieces. House rule for g++ 12: bind first, await second
// (ARCHITECTURE.md).
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

namespace pmx {

using asio::awaitable;

// Completion token: errors as values, never thrown.
inline constexpr auto no_throw = asio::experimental::as_tuple(asio::use_awaitable);

// Something may have changed: every waiter wakes and looks again. A waiter's cancellation is thrown
// as operation_aborted.
class Condition {
 public:
  explicit Condition(asio::io_context& io) : timer_(io, asio::steady_timer::time_point::max()) {}

  void notify_all() { timer_.cancel(); }

  awaitable<void> wait() {
    co_await timer_.async_wait(no_throw);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
      throw std::system_error(asio::error::operation_aborted);
  }

 private:
  asio::steady_timer timer_;
};

}  // namespace pmx
