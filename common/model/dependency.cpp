#include "common/model/dependency.h"

#include <fmt/format.h>

#include "common/base/error.h"

namespace pmx {

using Condition = Dependency::Condition;

std::string_view to_string(Condition condition) noexcept {
  switch (condition) {
    case Condition::started:
      return "started";
    case Condition::ready:
      return "ready";
    case Condition::healthy:
      return "healthy";
    case Condition::completed:
      return "completed";
    case Condition::completed_ok:
      break;
  }
  return "completed_ok";
}

Dependency parse_dependency(const std::string& text) {
  Dependency dependency{text, Condition::ready};
  const std::size_t colon = text.rfind(':');
  if (colon != std::string::npos) {
    dependency.app = text.substr(0, colon);
    const std::string_view word = std::string_view(text).substr(colon + 1);
    bool known = false;
    for (const Condition each : {Condition::started, Condition::ready, Condition::healthy,
                                 Condition::completed, Condition::completed_ok}) {
      if (word != to_string(each)) continue;
      dependency.condition = each;
      known = true;
    }
    if (!known)
      throw Error(ErrorCode::invalid_spec,
                  fmt::format("depends_on \"{}\": \"{}\" is no condition", text, word),
                  "NAME:started, :ready (the default), :healthy, :completed or :completed_ok");
  }
  if (dependency.app.empty())
    throw Error(ErrorCode::invalid_spec, fmt::format("depends_on \"{}\": no app is named", text));
  return dependency;
}

}  // namespace pmx
