// What would change if an app came to other settings, field by field, and what that takes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/model/app_spec.h"

namespace pmx::cli {

enum class Takes {
  nothing,      // not a setting: for display, or how it was asked for
  in_place,     // running processes go on
  new_process,  // without a gap where instances share ports
  restart,      // old and new cannot work side by side
};
std::string_view to_string(
    Takes takes) noexcept;  // "nothing", "in place", "new process", "restart"

struct FieldChange {
  std::string field;  // "max_restarts", "env.PORT", "limits.nice"
  std::string from;   // as JSON, shortened; "(hidden)" for secrets, "-" for none
  std::string to;
  Takes takes = Takes::nothing;
};

// Those that take something, by field.
std::vector<FieldChange> differences(const AppSpec& from, const AppSpec& to);

// Of a field as AppSpec's JSON has it. What is not listed takes effect in place.
Takes takes(std::string_view field) noexcept;

}  // namespace pmx::cli
