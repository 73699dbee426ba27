// Apps of a saved list (dump.pmx, dump.pm2), which has one entry for each instance.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "cli/context.h"
#include "common/config/dump.h"

namespace pmx::cli {

struct SavedApp {
  AppSpec spec;  // with the number of instances; its interpreter is not resolved
  bool running = false;
  std::vector<std::string> unmapped;  // DumpEntry::unmapped
};

// One app per name, in the order of the list, without those of `existing`. Secrets that the list
// leaves out come from this shell; what it does not have is said.
std::vector<SavedApp> saved_apps(Context& context, const std::vector<DumpEntry>& entries,
                                 const std::set<std::string>& existing);

}  // namespace pmx::cli
