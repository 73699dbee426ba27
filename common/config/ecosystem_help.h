// What each key of a configuration file means, for the manual and other descriptions of the file:
// the texts beside the table in ecosystem_keys.cpp, in an order to read them in.
#pragma once

#include <string_view>
#include <vector>

namespace pmx {

struct EcosystemHelp {
  std::string_view key;   // its first name in the table
  std::string_view text;  // a sentence or two; defaults in parentheses
};

struct EcosystemSection {
  std::string_view title;
  std::vector<EcosystemHelp> keys;
};

const std::vector<EcosystemSection>& ecosystem_sections();

// Empty: there is none, which a test does not let pass.
std::string_view ecosystem_help(std::string_view key);

}  // namespace pmx
