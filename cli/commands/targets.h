// What stop, restart, reload, delete and reset share: several targets, one after another, and
// configuration files as targets.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "common/config/launch.h"
#include "common/model/app_spec.h"
#include "common/protocol/commands.h"

namespace pmx::cli {

using Act = std::function<protocol::ActedResponse(const std::string& target)>;

// Runs `act` for `target` and returns the instances acted on. A path of a script that is no name is
// tried as its absolute path too. Prints what was done. Throws Error(not_found) with a hint at a
// name that is near.
std::vector<InstanceStatus> act_on(Context& context, const std::string& verb,
                                   const std::string& target, const Act& act);

// Start for `apps`, all in one request; prints each outcome. False if one failed.
bool start_apps(Context& context, std::vector<AppSpec> apps, bool force, bool autostart,
                bool wait = true);

// The spec of an app; says so if its instances do not share ports and were not asked to leave it.
AppSpec spec_of(Context& context, const LaunchRequest& app);

// The specs of those apps that can be started; prints an error for each other one and clears
// `all_well`.
std::vector<AppSpec> specs_of(Context& context, const std::vector<LaunchRequest>& apps,
                              bool& all_well);

// Prints an error for each errored instance. False if there is one.
bool report_errored(Context& context, const std::vector<InstanceStatus>& instances);

// Absolute path of an existing file, or empty.
std::string absolute_if_file(const std::string& path);

}  // namespace pmx::cli
