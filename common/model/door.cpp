#include "common/model/door.h"

#include <algorithm>
#include <charconv>
#include <string>

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
      return Door::seccomp;
    case BindVia::none:
      break;
  }
  return cluster && is_node(spec.interpreter) ? Door::node : Door::none;
}

bool may_share_port(const AppSpec& spec, int port) {
  const auto limit = spec.env.find("PMX_LISTEN_PORTS");
  const auto off = spec.env.find("PMX_LISTEN");
  if (off != spec.env.end() && off->second.starts_with("off")) return false;
  if (limit == spec.env.end()) return true;
  const std::string& text = limit->second;
  bool any = false;
  for (std::size_t at = 0; at < text.size();) {
    int number = 0;
    const auto end = std::from_chars(text.data() + at, text.data() + text.size(), number).ptr;
    if (number == port) return true;
    any = any || number > 0;
    at = static_cast<std::size_t>(std::max(end, text.data() + at + 1) - text.data());
  }
  return !any;
}

bool shares_sockets(const AppSpec& spec) noexcept {
  return spec.exec_mode == ExecMode::cluster || door_of(spec) != Door::none || !spec.listen.empty();
}

}  // namespace pmx
