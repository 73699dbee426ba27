// What plan, apply, and start, restart and reload of a configuration file share.
#pragma once

#include <optional>
#include <vector>

#include "cli/context.h"
#include "cli/plan/plan.h"

namespace pmx::cli {

struct ApplyOptions {
  bool autostart = true;         // of apps that are new
  bool wait = true;              // until they are ready, or have failed to be
  std::optional<int> parallel;   // new processes at a time in a reload; none: as the app says
  std::optional<bool> rollback;  // none: as the app says
};

// "Starting x", "Restarting x", ...: what is about to be done.
void announce(const Context& context, const std::vector<PlanStep>& plan);

// Has the daemon do what the plan says, all in one request; prints each outcome. False if one failed.
bool carry_out(Context& context, std::vector<PlanStep> plan, const ApplyOptions& options);

}  // namespace pmx::cli
