#include "daemon/runtime/probe_loop.h"

#include <utility>

namespace pmx {

ProbeLoop::ProbeLoop(asio::io_context& io, Ask ask, Millis first_after, OnAnswer on_answer)
    : ask_(std::move(ask)), on_answer_(std::move(on_answer)), timer_(io) {
  ask_after(first_after);
}

void ProbeLoop::ask_after(Millis delay) {
  timer_.expires_after(delay);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (!error && !alive.expired()) ask();
  });
}

void ProbeLoop::ask() {
  pending_ = ask_([this, alive_before = std::weak_ptr(alive_)](const std::string& problem) {
    if (alive_before.expired()) return;
    const std::weak_ptr<bool> alive = alive_;
    const OnAnswer on_answer = on_answer_;
    const std::optional<Millis> again = on_answer(problem);
    if (!alive.expired() && again) ask_after(*again);
  });
}

}  // namespace pmx
