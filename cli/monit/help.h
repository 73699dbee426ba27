// The keys, for the last line and the help.
#pragma once

#include <span>
#include <string_view>

namespace pmx::cli::monit {

struct HelpLine {
  std::string_view keys;
  std::string_view what;
};

std::span<const HelpLine> help_lines();
std::span<const HelpLine> short_keys();

}  // namespace pmx::cli::monit
