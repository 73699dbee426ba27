// CustomReports: what one run has told about itself, within bounds. ActionCalls: who waits for the
// answer of one of its actions. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/model/custom_report.h"

namespace pmx {

class CustomReports {
 public:
  static constexpr std::size_t kMaxActions = 64;
  static constexpr std::size_t kMaxMetrics = 128;
  static constexpr std::size_t kMaxName = 128;      // bytes; also of a type
  static constexpr std::size_t kMaxUnit = 32;       // bytes
  static constexpr std::size_t kMaxValue = 256;     // bytes of JSON
  static constexpr std::size_t kMaxOptions = 4096;  // bytes of JSON

  // Each counts as refused what is too long or too much; the rest is taken. True: something is new.
  bool offer(CustomAction action);
  void set(CustomMetric metric);
  void set_options(std::string json);
  // True: the first one.
  bool refuse(std::string why);

  [[nodiscard]] bool offers(const std::string& action) const noexcept;
  [[nodiscard]] const CustomReport& report() const noexcept { return report_; }
  // Of the same run, from an earlier daemon.
  void restore(std::vector<CustomAction> actions) { report_.actions = std::move(actions); }

 private:
  CustomReport report_;
};

// Answers name their action only: of several calls of one the oldest is answered.
class ActionCalls {
 public:
  static constexpr std::size_t kMost = 32;  // at a time

  // Nullopt: too many already.
  std::optional<std::uint64_t> begin(std::string action);
  // False: nobody waits for it.
  bool answer(const std::string& action, std::string json);
  // The answer, JSON; nullptr: none yet.
  [[nodiscard]] const std::string* answer_of(std::uint64_t call) const noexcept;
  void end(std::uint64_t call);

 private:
  struct Call {
    std::uint64_t number;
    std::string action;
    std::optional<std::string> answer;
  };
  std::deque<Call> calls_;
  std::uint64_t last_ = 0;
};

}  // namespace pmx
