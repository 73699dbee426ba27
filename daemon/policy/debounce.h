// Debounce: many changes in a row to one event, after they have come to rest. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/model/app_spec.h"

namespace pmx {

class Debounce {
 public:
  // An event comes `rest` after the last change, but no later than `longest` after the first.
  Debounce(Millis rest, Millis longest);

  void add(std::string_view path, TimePoint now);
  // When take() is due; nullopt: nothing has changed.
  [[nodiscard]] std::optional<TimePoint> due() const;
  // "src/app.js", "src/app.js and 2 more"; a path counts once. What comes after is a new event.
  std::string take();

 private:
  Millis rest_, longest_;
  TimePoint first_at_, last_at_;
  std::string first_path_;
  std::set<std::string, std::less<>> paths_;  // bounded
};

}  // namespace pmx
