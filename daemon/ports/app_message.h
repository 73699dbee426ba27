// What one axm message of an app says, decoded. Anything in it may be wrong: then it is Malformed.
#pragma once

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "common/model/custom_report.h"

namespace pmx {

inline constexpr std::size_t kMaxAnswerBytes = std::size_t{1} << 20U;  // of ActionAnswer::json

struct Metrics {
  std::vector<CustomMetric> metrics;
};
struct ReportOptions {
  std::string json;  // an object
};
struct ActionAnswer {
  std::string action;
  std::string json;  // what the action has returned
};
struct Malformed {
  std::string why;
};

using AppMessage = std::variant<CustomAction, Metrics, ReportOptions, ActionAnswer, Malformed>;

}  // namespace pmx
