// What an app tells about itself over its message channel (pm2's "axm" messages): actions that it
// offers and metrics. Values only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pmx {

struct CustomAction {
  std::string name;
  std::string type;
  int arity = 0;  // parameters of the app's function
  friend bool operator==(const CustomAction&, const CustomAction&) = default;
};

struct CustomMetric {
  std::string name;
  std::string value;  // JSON text of a string, a number, true, false or null
  std::string unit;
  std::string type;
};

struct CustomReport {
  std::vector<CustomAction> actions;
  std::vector<CustomMetric> metrics;
  std::string options = "{}";  // JSON text of an object
  std::uint64_t refused = 0;   // what was wrong or too much
  std::string refusal;         // why, of the last one
};

}  // namespace pmx
