#include "daemon/keeper/log.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <ctime>

namespace pmx::keeper {

void log_line(const char* format, ...) noexcept {
  const int kept_errno = errno;
  constexpr std::size_t kLineBytes = 500;
  char line[kLineBytes + 1];
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  std::size_t length = std::strftime(line, kLineBytes, "%Y-%m-%dT%H:%M:%S", &utc);
  const auto append = [&](int written) {
    length = std::min(length + static_cast<std::size_t>(std::max(written, 0)), kLineBytes - 1);
  };
  append(std::snprintf(line + length, kLineBytes - length,
                       ".%03ldZ keeper: ", now.tv_nsec / 1'000'000));
  va_list values;
  va_start(values, format);
  append(std::vsnprintf(line + length, kLineBytes - length, format, values));
  va_end(values);
  line[length++] = '\n';
  if (write(STDERR_FILENO, line, length) < 0) {
    // A full disk must not matter to the keeper.
  }
  errno = kept_errno;
}

}  // namespace pmx::keeper
