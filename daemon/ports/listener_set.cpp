#include "daemon/ports/listener_set.h"

#include <fmt/format.h>

#include <string_view>

namespace pmx {

std::string listener_key(const ListenRequest& request, std::int64_t index) {
  const bool path = request.kind == ListenRequest::Kind::unix_stream;
  const std::string_view kind = path                                       ? "unix"
                                : request.kind == ListenRequest::Kind::udp ? "udp"
                                                                           : "tcp";
  if (path) return fmt::format("{}:{}", kind, request.address.value_or(""));
  std::string key = fmt::format("{}:{}:{}", kind, request.address.value_or("*"), request.port);
  if (request.address) key += fmt::format(":{}", request.family);
  if (request.ipv6_only) key += ":only6";
  if (request.port == 0) key += fmt::format(":#{}", index);
  return key;
}

}  // namespace pmx
