// Text with copies of descriptors beside it (SCM_RIGHTS, unix(7)), over a Unix socket that keeps
// messages apart.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/unique_fd.h"

namespace pmx::sys {

// Beside one text; what is more is closed by the receiver.
inline constexpr std::size_t kMaxPassedFds = 16;

// The caller keeps `fds`. False: errno says why; nothing was sent.
bool send_with_fds(int socket, std::string_view text, const std::vector<int>& fds, int flags);

struct PassedFds {
  std::string text;  // cut to 255 bytes; empty: the other end is gone
  std::vector<UniqueFd> fds;
};

// nullopt: errno says why.
std::optional<PassedFds> receive_with_fds(int socket, int flags);

}  // namespace pmx::sys
