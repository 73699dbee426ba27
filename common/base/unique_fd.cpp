#include "common/base/unique_fd.h"

#include <unistd.h>

namespace pmx {

void close_fd(int fd) noexcept { ::close(fd); }

}  // namespace pmx
