#include "daemon/cluster/bind_rules.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>

namespace pmx {
namespace {

ListenRequest request_of(const pmx_listen_question& question, Balance wished) {
  ListenRequest request;
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool ipv6 = question.ipv6 == 1;
  ::inet_ntop(ipv6 ? AF_INET6 : AF_INET, static_cast<const void*>(question.address), text.data(),
              text.size());
  request.address = text.data();
  request.family = ipv6 ? 6 : 4;
  request.port = static_cast<int>(question.port);
  request.ipv6_only = ipv6 && question.ipv6_only == 1;
  // The daemon cannot do rr better, but hands what it accepts to Node only.
  request.balance = wished == Balance::rr ? Balance::slots : wished;
  return request;
}

}  // namespace

ListenResult shared_socket(ListenerSet& listeners, const BindCaller& caller,
                           const pmx_listen_question& question) {
  const ListenRequest request = request_of(question, caller.balance);
  return listeners.acquire(caller.app_id, caller.run, listener_key(request, 0), request);
}

}  // namespace pmx
