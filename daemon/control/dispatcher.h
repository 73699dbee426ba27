// Dispatcher: finds a command by its method name, decodes, calls the handler, encodes. The one
// place where errors of commands become answers.
#pragma once

#include <string>
#include <string_view>

#include "daemon/control/handlers.h"

namespace pmx {

class Dispatcher {
 public:
  explicit Dispatcher(ControlContext& context) : context_(context) {}

  // One request line in, one answer line out (without '\n'); never throws but for cancellation.
  awaitable<std::string> dispatch(std::string line, Call& call);

 private:
  ControlContext& context_;
};

}  // namespace pmx
