// What another app must have come to before an app is started: a line of `depends_on`.
//
//   db   db:ready        its instances are online (the default)
//   db:started           its processes exist
//   db:healthy           they are online, and its health check says they are well
//   migrate:completed    it has run and ended
//   migrate:completed_ok it has ended with success
#pragma once

#include <string>
#include <string_view>

namespace pmx {

struct Dependency {
  enum class Condition { started, ready, healthy, completed, completed_ok };

  std::string app;
  Condition condition = Condition::ready;

  friend bool operator==(const Dependency&, const Dependency&) = default;
};

std::string_view to_string(Dependency::Condition condition) noexcept;  // by these names

// Throws Error(invalid_spec). A name with a colon in it needs the condition.
Dependency parse_dependency(const std::string& text);

}  // namespace pmx
