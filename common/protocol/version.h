// Version of the control protocol. Additions (new methods, new optional fields) raise kProtocol
// only; a peer that is one version apart still works. kOldestProtocol is raised only when an old
// peer could no longer be served truthfully.
//
// History
//   1  0.1.0  first version
#pragma once

namespace pmx::protocol {

inline constexpr int kProtocol = 1;
inline constexpr int kOldestProtocol = 1;

}  // namespace pmx::protocol
