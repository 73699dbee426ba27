// increment_var: a variable with a number that every instance gets its own of, e.g. PORT.
#pragma once

#include <optional>
#include <string>

#include "common/model/app_spec.h"

namespace pmx {

// The app's value plus the instance's number: the same for every run of an instance. nullopt: the
// app has no such variable, or it is no whole number. Only for specs with an increment_var.
std::optional<std::string> incremented(const AppSpec& spec, int instance_number);

// Why `spec` cannot be run as it is; empty: it can.
std::string increment_var_problem(const AppSpec& spec);

}  // namespace pmx
