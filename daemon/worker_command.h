// How an instance is started: its command with what pmx adds to it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/model/app_spec.h"

namespace pmx {

// Program and argv of instance `number`. Node workers in cluster mode load `drain_script` (unless it
// is empty, or PMX_DRAIN=off is in the app's environment), and each gets an inspector port of its
// own if an inspector is asked for.
std::pair<std::string, std::vector<std::string>> command_of_worker(const AppSpec& spec, int number,
                                                                   const std::string& drain_script);

// libpmx-listen.so: beside the programs. Empty: it is not there.
std::string find_preload_library(const std::string& own_directory);

}  // namespace pmx
