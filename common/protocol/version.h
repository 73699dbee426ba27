// Version of the control protocol. Additions (new methods, new optional fields) raise kProtocol
// only; a peer that is one version apart still works. kOldestProtocol is raised only when an old
// peer could no longer be served truthfully.
//
// History
//   1  0.1.0       first version
//   2  unreleased  `apply`, `trigger`, `send`, `unit.store`; of others: wait, parallel, rollback,
//                  follow, events, messages, date_format, json; notifications "list.changed",
//                  "logs.events"; all that AppSpec
//                  and InstanceStatus have more
#pragma once

namespace pmx::protocol {

inline constexpr int kProtocol = 2;
inline constexpr int kOldestProtocol = 1;

}  // namespace pmx::protocol
