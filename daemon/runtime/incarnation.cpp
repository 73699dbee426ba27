#include "daemon/runtime/incarnation.h"

#include <fmt/format.h>

#include "daemon/runtime/checks.h"
#include "daemon/runtime/stopper.h"

namespace pmx {

Incarnation::Incarnation() = default;
Incarnation::~Incarnation() = default;

std::string note_of(const Incarnation& incarnation) {
  return fmt::format("{}{};{}", static_cast<char>(incarnation.role), incarnation.ready ? '1' : '0',
                     incarnation.channel ? incarnation.channel->note() : "");
}

}  // namespace pmx
