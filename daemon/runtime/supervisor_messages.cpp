// Supervisor: actions of apps, and what is sent to them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include "common/base/error.h"
#include "daemon/runtime/supervisor.h"

namespace pmx {

awaitable<std::vector<Supervisor::ActionOutcome>> Supervisor::call_action(
    std::vector<int> pm_ids, std::string action, std::optional<std::string> param, Millis timeout) {
  std::vector<ActionOutcome> outcomes;
  std::vector<std::optional<Instance::ActionCall>> calls;
  std::set<std::string> offered;
  for (const int id : pm_ids) {
    Instance* instance = find(id);
    if (instance == nullptr) continue;
    if (!instance->offers(action)) {
      for (const std::string& other : instance->offered_actions()) offered.insert(other);
      continue;
    }
    outcomes.push_back({id, instance->spec().name, instance->spec().name_space, "", ""});
    calls.push_back(instance->call_action(action, param));
    if (!calls.back()) outcomes.back().error = "it does not take messages, or too many wait";
  }
  if (outcomes.empty())
    throw Error(ErrorCode::not_found, fmt::format("nobody offers the action \"{}\"", action),
                offered.empty() ? "an app offers one by the message axm:action (`pmx show`)"
                                : fmt::format("there is: {}", fmt::join(offered, ", ")));

  asio::steady_timer deadline(ports_.io, timeout);
  deadline.async_wait([this, alive = std::weak_ptr(alive_)](const std::error_code& error) {
    if (!error && !alive.expired()) changed_.notify_all();
  });
  for (;;) {
    bool waiting = false;
    const bool late = std::chrono::steady_clock::now() >= deadline.expiry();
    for (std::size_t i = 0; i < calls.size(); ++i) {
      if (!calls[i]) continue;
      Instance* instance = find(outcomes[i].pm_id);
      std::optional<std::string> answer =
          instance == nullptr ? std::nullopt : instance->answer_of(*calls[i]);
      if (answer) {
        outcomes[i].json = *std::move(answer);
      } else if (instance == nullptr || !instance->may_answer(*calls[i])) {
        outcomes[i].error = "it ended before it answered";
      } else if (late) {
        outcomes[i].error = fmt::format("it did not answer within {} ms", timeout.count());
      } else {
        waiting = true;
        continue;
      }
      if (instance != nullptr) instance->end_call(*calls[i]);
      calls[i].reset();
    }
    if (!waiting) break;
    co_await changed_.wait();
  }
  co_return outcomes;
}

void Supervisor::write_input(int pm_id, std::string_view bytes) {
  Instance* instance = find(pm_id);
  const std::string problem = instance == nullptr ? "it is gone" : instance->write_input(bytes);
  if (!problem.empty()) throw_not_sent(pm_id, problem);
}

void Supervisor::send_message(int pm_id, std::string_view json) {
  Instance* instance = find(pm_id);
  const std::string problem = instance == nullptr ? "it is gone" : instance->send_message(json);
  if (!problem.empty()) throw_not_sent(pm_id, problem);
}

void Supervisor::throw_not_sent(int pm_id, const std::string& problem) const {
  const Instance* instance = find(pm_id);
  throw Error(ErrorCode::busy,
              fmt::format("{} ({}): {}", instance == nullptr ? "app" : instance->spec().name, pm_id,
                          problem));
}

}  // namespace pmx
