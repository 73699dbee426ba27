// Configuration files in JavaScript, evaluated by one short-lived node.
#pragma once

#include <chrono>
#include <string>

#include "common/config/config_document.h"
#include "common/model/app_spec.h"

namespace pmx::cli {

// CommonJS or an ECMAScript module: its default export, module.exports or its named exports; a
// function is called, a promise awaited. node is found on the PATH of `environment` and runs with
// it in the present directory; what the file prints goes to our stderr, its stdin is empty. Throws
// Error(invalid_spec): no node, an exception with its place, no end within `deadline`, more than
// 4 MiB, or something exported that is no data (a function, a cycle).
ConfigDocument read_javascript(const std::string& path, const Env& environment,
                               std::chrono::milliseconds deadline = std::chrono::milliseconds{
                                   10'000});

}  // namespace pmx::cli
