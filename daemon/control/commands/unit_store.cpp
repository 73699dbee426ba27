#include "daemon/control/handlers.h"

namespace pmx {

awaitable<protocol::UnitStore::Response> handle(Tag<protocol::UnitStore>, ControlContext& context,
                                                protocol::UnitStore::Request, Call&) {
  context.mirror_to_unit();
  co_return protocol::UnitStore::Response{};
}

}  // namespace pmx
