#include "daemon/policy/debounce.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pmx {
namespace {

// More are not told apart.
constexpr std::size_t kMaxPaths = 1000;

}  // namespace

Debounce::Debounce(Millis rest, Millis longest) : rest_(rest), longest_(longest) {}

void Debounce::add(std::string_view path, TimePoint now) {
  last_at_ = now;
  if (paths_.empty()) {
    first_at_ = now;
    first_path_ = path;
  }
  if (paths_.size() < kMaxPaths) paths_.emplace(path);
}

std::optional<TimePoint> Debounce::due() const {
  if (paths_.empty()) return std::nullopt;
  return std::min(last_at_ + rest_, first_at_ + longest_);
}

std::string Debounce::take() {
  const std::size_t count = std::exchange(paths_, {}).size();
  if (count <= 1) return std::exchange(first_path_, {});
  return fmt::format("{} and {}{} more", std::exchange(first_path_, {}), count - 1,
                     count == kMaxPaths ? " or" : "");
}

}  // namespace pmx
