// What pmx doctor finds out: one fact each, and what to do about it.
#pragma once

#include <string>
#include <vector>

namespace pmx::cli {

enum class Verdict {
  ok,
  note,   // something is not to be had, and what that costs
  fault,  // something is broken, or will be
};

struct Finding {
  std::string id;  // stable: programs decide by it
  Verdict verdict = Verdict::ok;
  std::string what;
  std::string fix;  // empty: nothing to do
};

using Findings = std::vector<Finding>;

}  // namespace pmx::cli
