#include "serve/open_beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace pmx::serve {

std::string visible_path(const std::string& request_path) {
  if (request_path.empty() || request_path.front() != '/' ||
      request_path.find('\0') != std::string::npos)
    return {};
  std::string path;
  for (std::size_t start = 1; start <= request_path.size();) {
    const std::size_t end = std::min(request_path.find('/', start), request_path.size());
    const std::string part = request_path.substr(start, end - start);
    start = end + 1;
    if (part.empty()) continue;
    if (part.front() == '.' && part != ".well-known") return {};
    path += (path.empty() ? "" : "/") + part;
  }
  return path.empty() ? "." : path;
}

UniqueFd open_beneath(const std::string& root, const std::string& path) {
  const UniqueFd directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return {};
  open_how how{};
  // A FIFO in the tree must not hold up who opens it.
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, directory.get(), path.c_str(), &how, sizeof how);
  return UniqueFd(static_cast<int>(fd));
}

}  // namespace pmx::serve
