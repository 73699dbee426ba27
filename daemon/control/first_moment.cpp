#include "daemon/control/first_moment.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace pmx {
namespace {

constexpr Millis kFirstMoment{200};

bool is_untried(const InstanceStatus& instance) {
  if (instance.state != InstanceState::online || !instance.detail) return false;
  const AppSpec& spec = instance.detail->spec;
  return spec.exec_mode == ExecMode::fork && !spec.wait_ready && spec.ready.probe.empty() &&
         !spec.job;
}

bool contains(const std::vector<int>& codes, int code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

bool ended_well(const InstanceStatus& instance) {
  if (!instance.last_exit || instance.last_exit->success()) return true;
  if (!instance.detail || instance.last_exit->kind != ExitStatus::Kind::exited) return false;
  const AppSpec& spec = instance.detail->spec;
  return contains(spec.stop_exit_codes, instance.last_exit->value) ||
         contains(spec.success_exit_codes, instance.last_exit->value);
}

}  // namespace

WallMillis wall_now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<Millis>(since_epoch).count();
}

awaitable<void> await_first_moment(ControlContext& context, std::vector<int> pm_ids) {
  const WallMillis now = wall_now();
  Millis left{0};
  for (const InstanceStatus& instance : context.supervisor.status(pm_ids, true)) {
    if (is_untried(instance))
      left = std::max(left, kFirstMoment - Millis{now - instance.started_at});
  }
  left = std::min(left, kFirstMoment);  // the clock may have been set back
  if (left <= Millis{0}) co_return;
  asio::steady_timer timer(context.io, left);
  co_await timer.async_wait(no_throw);
}

std::string early_end(const InstanceStatus& instance, WallMillis since) {
  if (instance.started_at < since) return {};
  // The end of a job's run is no crash; what has become of it is told by its state.
  const bool is_job = instance.detail && instance.detail->spec.job;
  if (is_job && instance.state != InstanceState::errored) return {};
  switch (instance.state) {
    case InstanceState::waiting_restart:
      return "it has ended at once: " + instance.reason;
    case InstanceState::launching:
    case InstanceState::online:
      if (instance.unstable_restarts == 0) return {};
      return fmt::format("it has ended at once: {}; restarted {} times so far",
                         instance.last_exit ? instance.last_exit->describe() : "unknown end",
                         instance.unstable_restarts);
    case InstanceState::stopped:
      return ended_well(instance) ? std::string() : "it has ended at once: " + instance.reason;
    case InstanceState::errored:
      return instance.reason;
    case InstanceState::stopping:
    case InstanceState::idle:
      break;
  }
  return {};
}

}  // namespace pmx
