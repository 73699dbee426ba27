#include "common/model/job.h"

#include <initializer_list>

namespace pmx {

std::string_view to_string(Overlap overlap) noexcept {
  switch (overlap) {
    case Overlap::skip:
      return "skip";
    case Overlap::queue:
      return "queue";
    case Overlap::replace:
      break;
  }
  return "replace";
}

std::optional<Overlap> overlap_from(std::string_view text) noexcept {
  for (const Overlap each : {Overlap::skip, Overlap::queue, Overlap::replace}) {
    if (text == to_string(each)) return each;
  }
  return std::nullopt;
}

std::string_view to_string(CatchUp catch_up) noexcept {
  return catch_up == CatchUp::one ? "one" : "none";
}

std::optional<CatchUp> catch_up_from(std::string_view text) noexcept {
  for (const CatchUp each : {CatchUp::none, CatchUp::one}) {
    if (text == to_string(each)) return each;
  }
  return std::nullopt;
}

}  // namespace pmx
