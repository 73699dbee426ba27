#include "common/model/door.h"

namespace pmx {

bool is_node(std::string_view interpreter) noexcept {
  const std::string_view name = interpreter.substr(interpreter.find_last_of('/') + 1);
  return name == "node" || name == "nodejs";
}

Door door_of(const AppSpec& spec) noexcept {
  const bool cluster = spec.exec_mode == ExecMode::cluster;
  switch (spec.bind_via) {
    case BindVia::automatic:
      return !cluster ? Door::none : is_node(spec.interpreter) ? Door::node : Door::preload;
    case BindVia::preload:
      return Door::preload;
    case BindVia::seccomp:
    case BindVia::none:
      break;
  }
  return cluster && is_node(spec.interpreter) ? Door::node : Door::none;
}

bool shares_sockets(const AppSpec& spec) noexcept {
  return spec.exec_mode == ExecMode::cluster || door_of(spec) != Door::none || !spec.listen.empty();
}

}  // namespace pmx
